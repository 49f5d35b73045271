/**
 * What names may look like. Each check returns the faults in upstream's words
 * (https://pkg.go.dev/k8s.io/apimachinery/pkg/util/validation), none for a good name.
 */
const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const qualified = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'

const labelPattern = new RegExp(`^${label}$`)
const subdomainPattern = new RegExp(`^${label}(\\.${label})*$`)
const qualifiedPattern = new RegExp(`^${qualified}$`)
const labelValuePattern = new RegExp(`^(${qualified})?$`)
const configKeyPattern = /^[-._a-zA-Z0-9]+$/

/** Lengths count bytes, which upstream calls characters in its older checks. */
const byteLength = (text: string): number => Buffer.byteLength(text)
const maxLength = (length: number, unit: 'bytes' | 'characters'): string => `must be no more than ${length} ${unit}`
const regexMessage = (text: string, pattern: string, ...examples: string[]): string =>
  `${text} (${examples.length ? `e.g. ${examples.map((example) => `'${example}'`).join(',  or ')}, ` : ''}regex used for validation is '${pattern}')`

const labelMessage = regexMessage(
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
  label,
  'my-name',
  '123-abc',
)
const subdomainMessage = regexMessage(
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  `${label}(\\.${label})*`,
  'example.com',
)
const underscoredLabel = '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?'
const underscoredPattern = new RegExp(`^${underscoredLabel}(\\.${underscoredLabel})*$`)
const underscoredMessage = regexMessage(
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character",
  `${underscoredLabel}(\\.${underscoredLabel})*`,
  'example.com',
)
const wildcardMessage = regexMessage(
  "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
  `\\*\\.${label}(\\.${label})*`,
  '*.example.com',
)
const qualifiedMessage = regexMessage(
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  qualified,
  'MyName',
  'my.name',
  '123-abc',
)
const labelValueMessage = regexMessage(
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  `(${qualified})?`,
  'MyValue',
  'my_value',
  '12345',
)
const configKeyMessage = regexMessage(
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
  '[-._a-zA-Z0-9]+',
  'key.name',
  'KEY_NAME',
  'key-name',
)
interface Shape {
  readonly length: number
  readonly unit: 'bytes' | 'characters'
  readonly pattern: RegExp
  readonly message: string
}

function checked(value: string, { length, unit, pattern, message }: Shape): string[] {
  const faults: string[] = []
  if (byteLength(value) > length) faults.push(maxLength(length, unit))
  if (!pattern.test(value)) faults.push(message)
  return faults
}

const subdomainShape: Shape = { length: 253, unit: 'characters', pattern: subdomainPattern, message: subdomainMessage }
const labelShape: Shape = { length: 63, unit: 'characters', pattern: labelPattern, message: labelMessage }

/** RFC 1123 label: namespaces, containers, and Services since KEP-5311. */
export function dnsLabelFaults(value: string): string[] {
  const message = subdomainPattern.test(value) ? 'must not contain dots' : labelMessage
  return checked(value, { ...labelShape, message })
}
const startingWithLetter = '[a-z]([-a-z0-9]*[a-z0-9])?'
const dns1035Message = regexMessage(
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
  startingWithLetter,
  'my-name',
  'abc-123',
)
/** RFC 1035 label: versions of APIs. */
export const dns1035LabelFaults = (value: string): string[] =>
  checked(value, { ...labelShape, pattern: new RegExp(`^${startingWithLetter}$`), message: dns1035Message })
/** RFC 1123 subdomain: most objects. */
export const dnsSubdomainFaults = (value: string): string[] => checked(value, subdomainShape)
/** With underscores, as in `_sip._tcp.example.com`: what resolvers search. */
export const underscoredSubdomainFaults = (value: string): string[] =>
  checked(value, { ...subdomainShape, pattern: underscoredPattern, message: underscoredMessage })
/** `*.example.com`. */
export const wildcardSubdomainFaults = (value: string): string[] =>
  checked(value, { ...subdomainShape, pattern: new RegExp(`^\\*\\.${label}(\\.${label})*$`), message: wildcardMessage })
export const labelValueFaults = (value: string): string[] =>
  checked(value, { length: 63, unit: 'bytes', pattern: labelValuePattern, message: labelValueMessage })

/** Keys of labels and annotations, conditions, resources: `name` or `prefix.example/name`. */
export function qualifiedNameFaults(value: string): string[] {
  const parts = value.split('/')
  const [first = '', second] = parts
  if (parts.length > 2)
    return [
      `a valid label key ${qualifiedMessage.replace(/\)$/, '')}) with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ]
  const faults: string[] = []
  if (second !== undefined) {
    if (first === '') faults.push('prefix part must be non-empty')
    else faults.push(...checked(first, { ...subdomainShape, unit: 'bytes' }).map((fault) => `prefix part ${fault}`))
  }
  const name = second ?? first
  if (name === '') faults.push('name part must be non-empty')
  else if (byteLength(name) > 63) faults.push(`name part ${maxLength(63, 'bytes')}`)
  if (!qualifiedPattern.test(name)) faults.push(`name part ${qualifiedMessage}`)
  return faults
}

/** Keys of ConfigMaps and Secrets. */
export function configMapKeyFaults(value: string): string[] {
  const faults = checked(value, { length: 253, unit: 'characters', pattern: configKeyPattern, message: configKeyMessage })
  return [...faults, ...dotFaults(value)]
}

/** Names that file systems and URLs would read as something else. */
function dotFaults(value: string): string[] {
  if (value === '.') return ["must not be '.'"]
  if (value === '..') return ["must not be '..'"]
  return value.startsWith('..') ? ["must not start with '..'"] : []
}

/** What may stand as one part of a path: names of RBAC objects. */
export function pathSegmentFaults(value: string): string[] {
  if (value === '.' || value === '..') return [`may not be '${value}'`]
  return ['/', '%'].filter((part) => value.includes(part)).map((part) => `may not contain '${part}'`)
}

/** Names of ports of containers (RFC 6335): at most 15 characters, with a letter among them. */
export function portNameFaults(value: string): string[] {
  const faults: string[] = []
  if (value.length > 15) faults.push('must be no more than 15 characters')
  if (!/^[-a-z0-9]+$/.test(value)) faults.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)')
  if (!/[a-z]/.test(value)) faults.push('must contain at least one letter (a-z)')
  if (value.includes('--')) faults.push('must not contain consecutive hyphens')
  if (value.startsWith('-') || value.endsWith('-')) faults.push('must not begin or end with a hyphen')
  return faults
}

export function portNumberFaults(port: number): string[] {
  return port >= 1 && port <= 65535 ? [] : ['must be between 1 and 65535, inclusive']
}
