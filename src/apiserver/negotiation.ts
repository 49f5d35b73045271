import { notAcceptable } from '../machinery/status.ts'

export type Format = 'json' | 'yaml' | 'protobuf'

/** What form of answer a request's Accept header asks for. */
export interface Acceptance {
  readonly format: Format
  /** `as` with its group and version: Table, PartialObjectMetadata, PartialObjectMetadataList, APIGroupDiscoveryList. */
  readonly as: string | undefined
}

const plain: Acceptance = { format: 'json', as: undefined }
export const protobufType = 'application/vnd.kubernetes.protobuf'
const formats: Readonly<Record<string, Format>> = {
  'application/json': 'json',
  'application/*': 'json',
  '*/*': 'json',
  'application/yaml': 'yaml',
  [protobufType]: 'protobuf',
}
/** The transformations that are served, as `group/version` each. */
const transformations: Readonly<Record<string, string>> = {
  Table: 'meta.k8s.io/v1',
  PartialObjectMetadata: 'meta.k8s.io/v1',
  PartialObjectMetadataList: 'meta.k8s.io/v1',
  APIGroupDiscoveryList: 'apidiscovery.k8s.io/v2',
}
const acceptedTypes = `application/json, application/yaml, ${protobufType}`

/** Accept headers repeat: clients send a handful of different ones for ever. */
const known = new Map<string, Acceptance>()
const knownLimit = 200

/** The first alternative that can be served; quality values are ignored, as upstream does. Throws NotAcceptable. */
export function negotiate(accept: string): Acceptance {
  if (!accept) return plain
  const before = known.get(accept)
  if (before) return before
  for (const alternative of accept.split(',')) {
    const acceptance = read(alternative)
    if (!acceptance) continue
    if (known.size < knownLimit) known.set(accept, acceptance)
    return acceptance
  }
  throw notAcceptable(acceptedTypes)
}

function read(alternative: string): Acceptance | undefined {
  const [type = '', ...parameters] = alternative.split(';').map((part) => part.trim())
  const format = formats[type.toLowerCase()]
  if (!format) return undefined
  const values = new Map(parameters.map((parameter) => splitOnce(parameter)))
  const as = values.get('as')
  if (as === undefined) return format === 'json' ? plain : { format, as }
  // Tables are no message: whoever asks so gets the next form of those that it takes.
  if (format === 'protobuf' && !as.startsWith('PartialObjectMetadata')) return undefined
  return transformations[as] === `${values.get('g')}/${values.get('v')}` ? { format, as } : undefined
}

function splitOnce(parameter: string): [string, string] {
  const equals = parameter.indexOf('=')
  return equals < 0 ? [parameter, ''] : [parameter.slice(0, equals), parameter.slice(equals + 1)]
}
