/**
 * One fault of a field, worded and typed as upstream's `field.Error`
 * (https://pkg.go.dev/k8s.io/apimachinery/pkg/util/validation/field): `spec.ports[0].port: Invalid value: 0: must be ...`.
 */
export interface FieldError {
  /** `spec.containers[0].name`; `metadata.labels` for a map as a whole, `data[key]` for one entry. */
  readonly field: string
  /** Goes into the status' causes: FieldValueInvalid, FieldValueRequired, ... */
  readonly reason: string
  /** All that follows `field: `. */
  readonly message: string
}

/** Prints a value as upstream prints it in messages: strings quoted, objects as JSON. */
function shown(value: unknown): string {
  return value === undefined ? 'null' : JSON.stringify(value)
}

const withDetail = (head: string, detail: string): string => (detail ? `${head}: ${detail}` : head)

export function required(field: string, detail = ''): FieldError {
  return { field, reason: 'FieldValueRequired', message: withDetail('Required value', detail) }
}
export function invalidValue(field: string, value: unknown, detail: string): FieldError {
  return { field, reason: 'FieldValueInvalid', message: withDetail(`Invalid value: ${shown(value)}`, detail) }
}
/** Of something whose value would say nothing. */
export function invalidAsSuch(field: string, detail: string): FieldError {
  return { field, reason: 'FieldValueInvalid', message: `Invalid value: ${detail}` }
}
export function notSupported(field: string, value: unknown, supported: readonly string[]): FieldError {
  return {
    field,
    reason: 'FieldValueNotSupported',
    message: `Unsupported value: ${shown(value)}: supported values: ${supported.map((text) => JSON.stringify(text)).join(', ')}`,
  }
}
export function duplicate(field: string, value: unknown): FieldError {
  return { field, reason: 'FieldValueDuplicate', message: `Duplicate value: ${shown(value)}` }
}
export function forbiddenField(field: string, detail: string): FieldError {
  return { field, reason: 'FieldValueForbidden', message: `Forbidden: ${detail}` }
}
export function fieldNotFound(field: string, value: unknown, detail = ''): FieldError {
  return { field, reason: 'FieldValueNotFound', message: withDetail(`Not found: ${shown(value)}`, detail) }
}
export function tooLong(field: string, maxLength: number): FieldError {
  return { field, reason: 'FieldValueTooLong', message: `Too long: may not be more than ${maxLength} bytes` }
}
export function tooShort(field: string, minLength: number): FieldError {
  return { field, reason: 'FieldValueTooShort', message: `Too short: must be at least ${minLength} character${minLength === 1 ? '' : 's'}` }
}
export function tooMany(field: string, actual: number, max: number): FieldError {
  return { field, reason: 'FieldValueTooMany', message: `Too many: ${actual}: must have at most ${max} items` }
}

/** All of them in one line, as upstream's aggregates are worded. */
export function faultsText(faults: readonly FieldError[]): string {
  const told = faults.map(({ field, message }) => `${field}: ${message}`)
  return told.length === 1 ? (told[0] as string) : `[${told.join(', ')}]`
}
