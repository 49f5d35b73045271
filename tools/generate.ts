/**
 * Writes src/api/generated/ from the models that @kubernetes/client-node publishes:
 *
 *   types.ts            TypeScript interfaces of every built-in type, as they stand on the wire
 *   schema.json         the same as data: fields, types, formats, which are required
 *   descriptions.json   the field descriptions, for `kubectl explain`
 *
 * The package is a build-time dependency only: at run time its classes cost 134 MB. Its release is older than the API that
 * is served: newer-types.ts says what has come since. Versions that are not stable are left out.
 * What it doesn't know (list types, merge keys, patch strategies, quantities) stands in src/api/schema-facts.ts.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { goneFields, newerFields, promoted } from './newer-types.ts'

interface Attribute {
  baseName: string
  type: string
  format: string
  name: string
}
interface FieldJson {
  type: string
  format?: string
  ref?: string
  items?: FieldJson
  required?: true
}
interface TypeJson {
  fields: Record<string, FieldJson>
}
interface Member {
  required: boolean
  description: string
}

const require = createRequire(import.meta.url)
const models = join(dirname(require.resolve('@kubernetes/client-node')), 'gen/models')
const out = join(dirname(fileURLToPath(import.meta.url)), '../src/api/generated')

/** Types that src/machinery/object.ts writes by hand, with the strictness that working code wants. */
const byHand = new Set(['ObjectMeta', 'OwnerReference', 'ListMeta', 'ManagedFieldsEntry', 'Status', 'StatusDetails', 'StatusCause'])

/** `V1Pod` is Pod, `CoreV1Event` is Event; a type of another version or group keeps its whole name. */
function typeName(className: string): string {
  if (className === 'CoreV1Event') return 'Event'
  return /^V1[A-Z]/.test(className) ? className.slice(2) : className
}

function fieldOf(type: string, format: string): FieldJson {
  const list = /^(?:Array|Set)<(.+)>$/.exec(type)
  if (list) return { type: 'array', items: fieldOf(list[1] as string, format) }
  const map = /^\{ \[key: string\]: (.+); \}$/.exec(type)
  if (map) return { type: 'map', items: fieldOf(map[1] as string, format) }
  switch (type) {
    case 'string':
      return format ? { type: 'string', format } : { type: 'string' }
    case 'number':
      return format.startsWith('int') ? { type: 'integer', format } : { type: 'number', format: 'double' }
    case 'boolean':
      return { type: 'boolean' }
    case 'Date':
      return { type: 'string', format: 'date-time' }
    case 'V1MicroTime':
      return { type: 'string', format: 'micro-time' }
    case 'IntOrString':
      return { type: 'int-or-string' }
    case 'any':
    case 'object':
      return { type: 'any' }
    default:
      return { type: 'object', ref: typeName(type) }
  }
}

function typescriptOf(field: FieldJson): string {
  switch (field.type) {
    case 'array':
      return `${typescriptOf(field.items as FieldJson)}[]`
    case 'map':
      return `Record<string, ${typescriptOf(field.items as FieldJson)}>`
    case 'integer':
    case 'number':
      return 'number'
    case 'int-or-string':
      return '(number | string)'
    case 'any':
      return 'unknown'
    case 'object':
      return field.ref as string
    default:
      return field.type
  }
}

function readDeclaration(text: string): { description: string; members: Map<string, Member> } {
  const clean = (comment: string | undefined): string =>
    (comment ?? '')
      .replace(/^\s*\*\s?/gm, '')
      .replace(/\\(['"])/g, '$1')
      .trim()
  const head = /\/\*\*\s*\n((?:\*[^\n]*\n)+)\*\/\nexport declare class/.exec(text)
  const members = new Map<string, Member>()
  const member = /(?:\/\*\*\n((?:\s*\*[^\n]*\n)*?)\s*\*\/\n)?\s{4}'([^']+)'(\?)?: /g
  for (const found of text.matchAll(member)) {
    members.set(found[2] as string, { required: found[3] !== '?', description: clean(found[1]) })
  }
  return { description: clean(head?.[1]), members }
}

const types: Record<string, TypeJson> = {}
const descriptions: Record<string, { description: string; fields: Record<string, string> }> = {}
for (const file of readdirSync(models)
  .filter((name) => name.endsWith('.js'))
  .sort()) {
  const className = file.slice(0, -3)
  const loaded = (await import(pathToFileURL(join(models, file)).href)) as Record<string, { attributeTypeMap?: Attribute[] }>
  const attributes = loaded[className]?.attributeTypeMap
  if (!attributes) continue
  const { description, members } = readDeclaration(readFileSync(join(models, `${className}.d.ts`), 'utf8'))
  const name = typeName(className)
  const fields: Record<string, FieldJson> = {}
  const texts: Record<string, string> = {}
  for (const attribute of attributes) {
    const field = fieldOf(attribute.type, attribute.format)
    const member = members.get(attribute.name)
    if (member?.required) field.required = true
    fields[attribute.baseName] = field
    if (member?.description) texts[attribute.baseName] = member.description
  }
  types[name] = { fields }
  descriptions[name] = { description, fields: texts }
}

/** A type in the short form of newer-types.ts. */
function shortField(short: string): FieldJson {
  if (short.startsWith('[]')) return { type: 'array', items: shortField(short.slice(2)) }
  if (short.startsWith('{}')) return { type: 'map', items: shortField(short.slice(2)) }
  if (short === 'string' || short === 'boolean') return { type: short }
  if (short === 'date-time') return { type: 'string', format: short }
  return /^int\d+$/.test(short) ? { type: 'integer', format: short } : { type: 'object', ref: short }
}

function addNewerFields(): void {
  for (const [name, fields] of Object.entries(newerFields)) {
    types[name] ??= { fields: {} }
    descriptions[name] ??= { description: '', fields: {} }
    for (const [field, [short, description]] of Object.entries(fields)) {
      const json = shortField(short.replace('!', ''))
      types[name].fields[field] = short.endsWith('!') ? { ...json, required: true } : json
      descriptions[name].fields[field] = description
    }
    types[name].fields = sorted(types[name].fields)
  }
  for (const [name, fields] of Object.entries(goneFields)) for (const field of fields) delete types[name]?.fields[field]
}

function sorted<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Gives the types of kinds that became stable their stable names. */
function promote(): void {
  const stable = (name: string): string => {
    const [kind, version] = Object.entries(promoted).find(([kind, version]) => name.startsWith(version + kind)) ?? []
    return kind === undefined || version === undefined ? name : name.slice(version.length)
  }
  // A type that only such a kind used, beside one of the same shape in the stable version.
  const renamed = (name: string): string => stable(name).replace(/^V1beta2(DeviceTaint(?:Selector)?)$/, '$1')
  for (const [name, type] of Object.entries(types)) {
    if (renamed(name) === name) continue
    types[renamed(name)] = JSON.parse(JSON.stringify(type), (key, value) => (key === 'ref' ? renamed(value) : value)) as TypeJson
    descriptions[renamed(name)] = descriptions[name] as (typeof descriptions)[string]
  }
}

/** Alpha and beta versions are not served. */
function dropUnstable(): void {
  for (const name of Object.keys(types)) {
    if (!/^(?:[A-Z][a-z]+)?V\d+(?:alpha|beta)\d/.test(name)) continue
    delete types[name]
    delete descriptions[name]
  }
}

promote()
addNewerFields()
dropUnstable()

function interfaceOf(name: string, { fields }: TypeJson): string {
  const isKind = fields.metadata?.ref === 'ObjectMeta' && 'apiVersion' in fields && 'kind' in fields
  const lines = Object.entries(fields).map(([field, json]) => {
    const alwaysThere = isKind && ['apiVersion', 'kind', 'metadata', 'spec'].includes(field)
    const type = !isKind && json.ref === 'ObjectMeta' ? 'Partial<ObjectMeta>' : typescriptOf(json)
    const key = /^[A-Za-z_$][\w$]*$/.test(field) ? field : `'${field}'`
    return `  ${key}${json.required || alwaysThere ? '' : '?'}: ${type}`
  })
  const doc = descriptions[name]?.description
  return `${doc ? `/** ${doc.replaceAll('*/', '*\\/')} */\n` : ''}export interface ${name} {\n${lines.join('\n')}\n}\n`
}

mkdirSync(out, { recursive: true })
const header = `// Written by tools/generate.ts; do not edit.\nimport type { ListMeta, ManagedFieldsEntry, ObjectMeta, OwnerReference, Status, StatusCause, StatusDetails } from '../../machinery/object.ts'\nexport type { ListMeta, ManagedFieldsEntry, ObjectMeta, OwnerReference, Status, StatusCause, StatusDetails }\n\n`
const bodies = Object.entries(types)
  .filter(([name]) => !byHand.has(name))
  .map(([name, type]) => interfaceOf(name, type))
writeFileSync(join(out, 'types.ts'), header + bodies.join('\n'))
writeFileSync(join(out, 'schema.json'), JSON.stringify(types))
writeFileSync(join(out, 'descriptions.json'), JSON.stringify(descriptions))
console.log(`generated ${Object.keys(types).length} types`)
