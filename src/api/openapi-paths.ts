import { resourcePath } from '../machinery/group-version.ts'
import type { Kind } from './kind.ts'
import { type Definition, type Definitions, referenceTo } from './openapi-definitions.ts'
import { type GroupVersionKind, listTypeOf, subresourceType } from './openapi-names.ts'

/** One operation before it is written for a version of OpenAPI. */
interface Operation {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** x-kubernetes-action. */
  readonly action: string
  readonly id: string
  readonly description: string
  readonly gvk: GroupVersionKind
  readonly parameters: readonly Parameter[]
  /** Definition names; a response without one is text. */
  readonly body?: string
  readonly response: string | undefined
  readonly codes: readonly number[]
}

interface Parameter {
  readonly name: string
  readonly type: 'string' | 'integer' | 'boolean'
  readonly description: string
}

const metaPackage = 'io.k8s.apimachinery.pkg.apis.meta.v1'
const objectTypes = ['application/json', 'application/yaml']
const patchTypes = [
  'application/apply-patch+yaml',
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
]

const text = (name: string, description: string): Parameter => ({ name, type: 'string', description })
const pretty = text('pretty', "If 'true', the output is pretty printed.")
const dryRun = text('dryRun', 'All: every stage runs, nothing is persisted.')
const fieldManager = text('fieldManager', 'Who makes these changes: at most 128 printable characters. Required for apply.')
const fieldValidation = text('fieldValidation', 'What happens to unknown and duplicate fields: Ignore, Warn (the default) or Strict.')
const force: Parameter = { name: 'force', type: 'boolean', description: 'Apply only: take over fields that others own.' }
const writing = [dryRun, fieldManager, fieldValidation]
const deleting: readonly Parameter[] = [
  dryRun,
  { name: 'gracePeriodSeconds', type: 'integer', description: 'Seconds before the object is deleted; zero deletes at once.' },
  { name: 'orphanDependents', type: 'boolean', description: 'Deprecated: use propagationPolicy.' },
  text('propagationPolicy', 'What becomes of dependents: Orphan, Background or Foreground.'),
]
const listing: readonly Parameter[] = [
  { name: 'allowWatchBookmarks', type: 'boolean', description: 'Ask for events of type BOOKMARK.' },
  text('continue', 'Where the previous page of a list ended.'),
  text('fieldSelector', 'Restricts the answer by fields of the objects.'),
  text('labelSelector', 'Restricts the answer by labels of the objects.'),
  { name: 'limit', type: 'integer', description: 'At most this many objects in one page.' },
  text('resourceVersion', 'How fresh the answer must be, or where a watch begins.'),
  text('resourceVersionMatch', 'How resourceVersion applies to a list.'),
  { name: 'sendInitialEvents', type: 'boolean', description: 'Begin a watch with what is there.' },
  { name: 'timeoutSeconds', type: 'integer', description: 'Bounds the duration of the call.' },
  { name: 'watch', type: 'boolean', description: 'Answer a stream of changes instead of a list.' },
]

/** All paths of the kinds, with their operations. */
export function pathsOf(definitions: Definitions, kinds: readonly Kind[]): Record<string, Definition> {
  const paths: Record<string, Definition> = {}
  const add = (path: string, operations: readonly Operation[]): void => {
    paths[path] = pathItem(definitions, path, operations)
  }
  for (const kind of kinds) {
    const root = resourcePath({ ...kind, namespaced: false })
    const collection = kind.namespaced ? root.replace(/[^/]*$/, `namespaces/{namespace}/${kind.plural}`) : root
    const offered = (operations: readonly Operation[]): Operation[] => operations.filter(({ action }) => isOffered(kind, action))
    add(collection, offered(collectionOperations(definitions, kind)))
    if (kind.namespaced) add(root, [listOperation(definitions, kind, 'ForAllNamespaces')])
    const type = definitions.nameOf(kind.schema.name as string)
    add(`${collection}/{name}`, offered([...objectOperations(kind, type, kind, ''), deleteOperation(kind)]))
    if (kind.hasStatus) add(`${collection}/{name}/status`, objectOperations(kind, type, kind, 'Status'))
    if (kind.scale) {
      const scale = { group: 'autoscaling', version: 'v1', kind: 'Scale' }
      add(`${collection}/{name}/scale`, objectOperations(kind, definitions.nameOf('Scale'), scale, 'Scale'))
    }
    for (const { name, verbs, ...gvk } of kind.subresources) {
      add(`${collection}/{name}/${name}`, subresourceOperations(definitions, kind, name, verbs, gvk))
    }
  }
  return paths
}

const verbOfAction: Readonly<Record<string, string>> = { post: 'create', put: 'update' }

function isOffered({ verbs }: Kind, action: string): boolean {
  return verbs === undefined || verbs.includes(verbOfAction[action] ?? action)
}

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1)
const gvkOf = ({ group, version, kind }: GroupVersionKind): GroupVersionKind => ({ group, kind, version })

/** `AppsV1NamespacedDeployment`: what follows the verb in an operation's id; `infix` comes after the version. */
function subject(kind: Kind, infix = ''): string {
  const group = capital(kind.group === '' ? 'core' : (kind.group.split('.', 1)[0] as string))
  return `${group}${capital(kind.version)}${infix}${kind.namespaced ? 'Namespaced' : ''}${kind.kind}`
}

function listOperation(definitions: Definitions, kind: Kind, suffix: string): Operation {
  const list = listTypeOf(kind)
  return {
    method: 'get',
    action: 'list',
    id: `list${suffix ? subject(kind).replace('Namespaced', '') : subject(kind)}${suffix}`,
    description: `list or watch objects of kind ${kind.kind}`,
    gvk: gvkOf(kind),
    parameters: listing,
    response: list && definitions.nameOf(list),
    codes: [200],
  }
}

function collectionOperations(definitions: Definitions, kind: Kind): Operation[] {
  const type = definitions.nameOf(kind.schema.name as string)
  return [
    listOperation(definitions, kind, ''),
    {
      method: 'post',
      action: 'post',
      id: `create${subject(kind)}`,
      description: `create a ${kind.kind}`,
      gvk: gvkOf(kind),
      parameters: writing,
      body: type,
      response: type,
      codes: [200, 201, 202],
    },
    {
      method: 'delete',
      action: 'deletecollection',
      id: `delete${subject(kind, 'Collection')}`,
      description: `delete collection of ${kind.kind}`,
      gvk: gvkOf(kind),
      parameters: [...deleting, ...listing.filter(({ name }) => name !== 'watch' && name !== 'allowWatchBookmarks')],
      body: `${metaPackage}.DeleteOptions`,
      response: `${metaPackage}.Status`,
      codes: [200],
    },
  ]
}

/** Reading, replacing and patching an object, or a part of it that looks like an object. */
function objectOperations(kind: Kind, type: string, gvk: GroupVersionKind, part: string): Operation[] {
  const shared = { gvk: gvkOf(gvk), response: type }
  const id = `${subject(kind)}${part}`
  const what = `${part ? `${part.toLowerCase()} of ` : ''}the specified ${kind.kind}`
  return [
    { ...shared, method: 'get', action: 'get', id: `read${id}`, description: `read ${what}`, parameters: [], codes: [200] },
    {
      ...shared,
      method: 'put',
      action: 'put',
      id: `replace${id}`,
      description: `replace ${what}`,
      parameters: writing,
      body: type,
      codes: [200, 201],
    },
    {
      ...shared,
      method: 'patch',
      action: 'patch',
      id: `patch${id}`,
      description: `partially update ${what}`,
      parameters: [...writing, force],
      body: `${metaPackage}.Patch`,
      codes: [200, 201],
    },
  ]
}

function deleteOperation(kind: Kind): Operation {
  return {
    method: 'delete',
    action: 'delete',
    id: `delete${subject(kind)}`,
    description: `delete a ${kind.kind}`,
    gvk: gvkOf(kind),
    parameters: deleting,
    body: `${metaPackage}.DeleteOptions`,
    response: `${metaPackage}.Status`,
    codes: [200, 202],
  }
}

const methods: Readonly<Record<string, readonly [Operation['method'], string] | undefined>> = {
  get: ['get', 'read'],
  create: ['post', 'create'],
  update: ['put', 'replace'],
  patch: ['patch', 'patch'],
  delete: ['delete', 'delete'],
}

function subresourceOperations(
  definitions: Definitions,
  kind: Kind,
  name: string,
  verbs: readonly string[],
  gvk: GroupVersionKind,
): Operation[] {
  const typeName = subresourceType(gvk.kind)
  const isObject = typeName !== undefined && name !== 'log'
  return verbs.flatMap((verb): Operation[] => {
    const found = methods[verb]
    if (!found) return []
    const [method, word] = found
    const connects = typeName === undefined
    const type = isObject ? definitions.nameOf(typeName) : undefined
    return [
      {
        method,
        action: connects ? 'connect' : method,
        id: `${connects ? `connect${subject(kind, capital(method))}` : `${word}${subject(kind)}`}${capital(name)}`,
        description: `${connects ? `connect ${method.toUpperCase()} requests to` : word} ${name} of ${kind.kind}`,
        gvk: gvkOf(gvk),
        parameters: connects || method === 'get' ? [] : writing,
        ...(type && method !== 'get' ? { body: method === 'patch' ? `${metaPackage}.Patch` : type } : {}),
        response: type,
        codes: method === 'post' && !connects ? [200, 201, 202] : [200],
      },
    ]
  })
}

const statusTexts: Readonly<Record<number, string>> = { 200: 'OK', 201: 'Created', 202: 'Accepted', 401: 'Unauthorized' }

function pathItem(definitions: Definitions, path: string, operations: readonly Operation[]): Definition {
  const write = definitions.version === 3 ? operationV3 : operationV2
  const named = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] as string)
  return {
    ...Object.fromEntries(operations.map((operation) => [operation.method, write(operation)])),
    parameters: [
      ...named.map((name) => written(definitions.version, text(name, pathParameters[name] ?? ''), 'path')),
      written(definitions.version, pretty, 'query'),
    ],
  }
}

const pathParameters: Readonly<Record<string, string>> = {
  name: 'name of the object',
  namespace: 'object name and auth scope, such as for teams and projects',
}

function written(version: 2 | 3, { name, type, description }: Parameter, place: 'path' | 'query'): Definition {
  const required = place === 'path' ? { required: true } : {}
  const shape = { type, uniqueItems: true }
  return { description, in: place, name, ...required, ...(version === 3 ? { schema: shape } : shape) }
}

function common({ action, description, gvk, id }: Operation): Definition {
  const group = gvk.group === '' ? 'core' : (gvk.group.split('.', 1)[0] as string)
  return {
    description,
    operationId: id,
    tags: [`${group}_${gvk.version}`],
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': gvk,
  }
}

function operationV3(operation: Operation): Definition {
  const { method, parameters, body, response, codes } = operation
  const contentOf = (types: readonly string[], definition: string): Definition =>
    Object.fromEntries(types.map((type) => [type, { schema: referenceTo(3, definition) }]))
  const bodyTypes = method === 'patch' ? patchTypes : ['*/*']
  const content = response ? contentOf(objectTypes, response) : { 'text/plain': { schema: { type: 'string' } } }
  return {
    ...common(operation),
    ...(parameters.length > 0 ? { parameters: parameters.map((parameter) => written(3, parameter, 'query')) } : {}),
    ...(body ? { requestBody: { content: contentOf(bodyTypes, body), ...(method === 'delete' ? {} : { required: true }) } } : {}),
    responses: {
      ...Object.fromEntries(codes.map((code) => [code, { description: statusTexts[code], content }])),
      401: { description: statusTexts[401] },
    },
  }
}

function operationV2(operation: Operation): Definition {
  const { method, parameters, body, response, codes } = operation
  const schema = response ? referenceTo(2, response) : { type: 'string' }
  const bodyParameter = body
    ? [{ in: 'body', name: 'body', ...(method === 'delete' ? {} : { required: true }), schema: referenceTo(2, body) }]
    : []
  return {
    ...common(operation),
    consumes: method === 'patch' ? patchTypes : ['*/*'],
    produces: response ? objectTypes : ['text/plain'],
    schemes: ['https'],
    parameters: [...bodyParameter, ...parameters.map((parameter) => written(2, parameter, 'query'))],
    responses: {
      ...Object.fromEntries(codes.map((code) => [code, { description: statusTexts[code], schema }])),
      401: { description: statusTexts[401] },
    },
  }
}
