import { dns1035LabelFaults, dnsLabelFaults, dnsSubdomainFaults, labelValueFaults, qualifiedNameFaults } from '../../names.ts'
import { matching } from '../budget.ts'
import { type Overload, overload } from '../functions.ts'
import { EvaluationError, ListValue, Opaque, OptionalValue } from '../values.ts'
import { parseTimestamp } from './time.ts'
import { uriFault } from './url.ts'

class FormatValue extends Opaque {
  readonly typeName = 'kubernetes.NamedFormat'
  readonly name: string
  readonly faultsOf: (text: string) => readonly string[]

  constructor(name: string, faultsOf: (text: string) => readonly string[]) {
    super()
    this.name = name
    this.faultsOf = faultsOf
  }

  equals(other: Opaque): boolean {
    return other instanceof FormatValue && other.name === this.name
  }
}

/** A generated name: its last character may be a dash, as more follows. */
const ofPrefix =
  (faultsOf: (text: string) => readonly string[]) =>
  (text: string): readonly string[] =>
    faultsOf(text.length > 1 ? text.replace(/-$/, 'a') : text)

const unless =
  (isValid: (text: string) => boolean, fault: string) =>
  (text: string): readonly string[] =>
    isValid(text) ? [] : [fault]

function uriFaults(text: string): readonly string[] {
  const fault = uriFault(text)
  return fault === undefined ? [] : [fault]
}

function isTime(text: string): boolean {
  try {
    parseTimestamp(text)
    return true
  } catch (error) {
    if (error instanceof EvaluationError) return false
    throw error
  }
}

const isUuid = (text: string): boolean => /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i.test(text)
const isBase64 = (text: string): boolean => /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$/.test(text)

const formats: ReadonlyMap<string, FormatValue> = new Map(
  Object.entries({
    dns1123Label: dnsLabelFaults,
    dns1123Subdomain: dnsSubdomainFaults,
    dns1035Label: dns1035LabelFaults,
    qualifiedName: qualifiedNameFaults,
    dns1123LabelPrefix: ofPrefix(dnsLabelFaults),
    dns1123SubdomainPrefix: ofPrefix(dnsSubdomainFaults),
    dns1035LabelPrefix: ofPrefix(dns1035LabelFaults),
    labelValue: labelValueFaults,
    uri: uriFaults,
    uuid: unless(isUuid, 'does not match the UUID format'),
    byte: unless(isBase64, 'invalid base64'),
    date: unless((text) => /^\d{4}-\d\d-\d\d$/.test(text) && isTime(`${text}T00:00:00Z`), 'invalid date'),
    datetime: unless(isTime, 'invalid datetime'),
  }).map(([name, faultsOf]) => [name, new FormatValue(name, faultsOf)]),
)

function validate(format: FormatValue, text: string): OptionalValue {
  const faults = format.faultsOf(text)
  return faults.length === 0 ? OptionalValue.none : new OptionalValue(ListValue.of(faults))
}

const type = 'kubernetes.NamedFormat'

export const namedFormats: readonly Overload[] = [
  ...[...formats].map(([name, format]) => overload(`format.${name}() -> ${type}`, () => format)),
  overload(`format.named(string) -> optional(${type})`, (name: string) => {
    const format = formats.get(name)
    return format ? new OptionalValue(format) : OptionalValue.none
  }),
  overload(`(${type}) validate(string) -> optional(list(string))`, validate, (_format: FormatValue, text: string) =>
    matching(text.length, 100),
  ),
]
