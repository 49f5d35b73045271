import { deepCopy, deepEqual, isObject, ownValue, setKey } from '../equality.ts'
import { badRequest, requestEntityTooLarge, StatusError } from '../status.ts'

/** Upstream's bounds: of operations, and of the JSON that all `copy` together add. */
const maxOperations = 10_000
const maxCopiedBytes = 3 * 1024 * 1024

type Operation = Readonly<Record<string, unknown>>
type Container = Record<string, unknown> | unknown[]

/**
 * JSON patch (RFC 6902), as upstream's library carries it out: indexes may be negative, and `replace` sets a field that is not there.
 * Throws 400 for what is no patch, 413 for too many operations, 422 for one that does not apply (a failed test, a path that
 * isn't there). Changes neither argument.
 */
export function jsonPatch(target: object, patch: unknown): unknown {
  checkPatch(patch)
  const document = new Document(deepCopy(target) as Container)
  for (const operation of patch) {
    try {
      document.apply(operation)
    } catch (error) {
      if (!(error instanceof PatchFault)) throw error
      throw doesNotApply(error.message)
    }
  }
  return document.root
}

function checkPatch(patch: unknown): asserts patch is Operation[] {
  if (!Array.isArray(patch)) throw badRequest('error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch')
  if (patch.length > maxOperations) {
    throw requestEntityTooLarge(`The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`)
  }
  for (const operation of patch) {
    if (!isObject(operation))
      throw badRequest('error decoding patch: json: cannot unmarshal array into Go value of type jsonpatch.Operation')
  }
}

/** Why an operation does not apply, in the library's words. */
class PatchFault extends Error {}

const missing = 'missing value'
const invalidIndex = (index: number): PatchFault => new PatchFault(`Unable to access invalid index: ${index}: invalid index referenced`)

class Document {
  root: Container
  #copiedBytes = 0

  constructor(root: Container) {
    this.root = root
  }

  apply(operation: Operation): void {
    const { op } = operation
    if (op === 'add') this.#add(operation)
    else if (op === 'remove') this.#remove(operation)
    else if (op === 'replace') this.#replace(operation)
    else if (op === 'move') this.#move(operation)
    else if (op === 'copy') this.#copy(operation)
    else if (op === 'test') this.#test(operation)
    else throw new PatchFault(`Unexpected kind: ${typeof op === 'string' ? op : 'unknown'}`)
  }

  #add(operation: Operation): void {
    const place = this.#placeOf(operation, 'path', 'path: "%"')
    within(`error in add for path: '${operation.path}'`, () => add(place, deepCopy(operation.value ?? null)))
  }

  #remove(operation: Operation): void {
    const place = this.#placeOf(operation, 'path', 'path: "%"')
    within(`error in remove for path: '${operation.path}'`, () => remove(place))
  }

  #replace(operation: Operation): void {
    const value = deepCopy(operation.value ?? null)
    if (operation.path === '') {
      if (typeof value !== 'object' || value === null) throw new PatchFault('replace operation value must be object or array')
      this.root = value as Container
      return
    }
    const { parent, key } = this.#placeOf(operation, 'path', 'path: %')
    if (Array.isArray(parent) && indexIn(parent, key) === undefined) {
      throw new PatchFault(`replace operation does not apply: doc is missing key: ${operation.path}: ${missing}`)
    }
    if (Array.isArray(parent)) parent[indexIn(parent, key) as number] = value
    else setKey(parent, key, value)
  }

  #move(operation: Operation): void {
    const from = this.#placeOf(operation, 'from', 'from path: %')
    const value = within(`error in move for path: '${from.key}'`, () => {
      const moved = get(from)
      remove(from)
      return moved
    })
    const to = this.#placeOf(operation, 'path', 'destination path: %')
    within(`error in move for path: '${operation.path}'`, () => add(to, value))
  }

  #copy(operation: Operation): void {
    const from = this.#placeOf(operation, 'from', 'from path: %')
    const value = within(`error in copy for from: '${operation.from}'`, () => get(from)) ?? null
    const to = this.#placeOf(operation, 'path', 'destination path: %')
    this.#copiedBytes += Buffer.byteLength(JSON.stringify(value))
    if (this.#copiedBytes > maxCopiedBytes) {
      throw new PatchFault(
        `Unable to complete the copy, the accumulated size increase of copy is ${this.#copiedBytes}, exceeding the limit ${maxCopiedBytes}`,
      )
    }
    within('error while adding value during copy', () => add(to, deepCopy(value)))
  }

  #test(operation: Operation): void {
    const { path } = operation
    const place = path === '' ? undefined : this.#placeOf(operation, 'path', 'path: %')
    const value = place ? within(`error in test for path: '${path}'`, () => get(place)) : this.root
    if (!deepEqual(value ?? null, operation.value ?? null)) throw new PatchFault(`testing value ${path} failed: test failed`)
  }

  /** What holds the place that a pointer means, and the key within. `%` in `what` is the pointer. */
  #placeOf(operation: Operation, field: 'path' | 'from', what: string): Place {
    const pointer = operation[field]
    if (typeof pointer !== 'string') throw new PatchFault(`${operation.op} operation failed to decode ${field}: ${missing}`)
    const [, ...parts] = pointer.split('/').map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    const key = parts.pop()
    let parent: unknown = this.root
    for (const part of parts) parent = Array.isArray(parent) ? parent[indexIn(parent, part) ?? -1] : ownOf(parent, part)
    if (key !== undefined && typeof parent === 'object' && parent !== null) return { parent: parent as Container, key }
    throw new PatchFault(`${operation.op} operation does not apply: doc is missing ${what.replace('%', () => pointer)}: ${missing}`)
  }
}

interface Place {
  readonly parent: Container
  readonly key: string
}

const ownOf = (value: unknown, key: string): unknown => (isObject(value) ? ownValue(value, key) : undefined)

/** Undefined: no number, or none of an item. */
function indexIn(list: readonly unknown[], key: string): number | undefined {
  if (!/^[+-]?\d{1,15}$/.test(key)) return undefined
  const index = Number(key) < 0 ? Number(key) + list.length : Number(key)
  return index >= 0 && index < list.length ? index : undefined
}

/** A fault says what was being done. */
function within<T>(doing: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (!(error instanceof PatchFault)) throw error
    throw new PatchFault(`${doing}: ${error.message}`)
  }
}

function numberOf(key: string): number {
  if (!/^[+-]?\d{1,15}$/.test(key)) throw new PatchFault(`strconv.Atoi: parsing ${JSON.stringify(key)}: invalid syntax`)
  return Number(key)
}

function existing(list: readonly unknown[], key: string): number {
  const index = indexIn(list, key)
  if (index === undefined) throw invalidIndex(numberOf(key))
  return index
}

function get({ parent, key }: Place): unknown {
  return Array.isArray(parent) ? parent[existing(parent, key)] : ownValue(parent, key)
}

function add({ parent, key }: Place, value: unknown): void {
  if (!Array.isArray(parent)) {
    setKey(parent, key, value)
    return
  }
  if (key === '-') {
    parent.push(value)
    return
  }
  const given = numberOf(key)
  const index = given < 0 ? given + parent.length + 1 : given
  if (index < 0 || index > parent.length) throw invalidIndex(given)
  parent.splice(index, 0, value)
}

function remove({ parent, key }: Place): void {
  if (Array.isArray(parent)) {
    parent.splice(existing(parent, key), 1)
    return
  }
  if (!Object.hasOwn(parent, key)) throw new PatchFault(`Unable to remove nonexistent key: ${key}: ${missing}`)
  delete parent[key]
}

/** How the server words a patch that it understands and cannot carry out. */
function doesNotApply(message: string): StatusError {
  return new StatusError({
    apiVersion: 'v1',
    kind: 'Status',
    metadata: {},
    status: 'Failure',
    message: 'the server rejected our request due to an error in our request',
    reason: 'Invalid',
    details: { causes: [{ reason: 'UnexpectedServerResponse', message }] },
    code: 422,
  })
}
