import { decodeObject } from '../machinery/decode.ts'
import { type FieldError, faultsText } from '../machinery/field-error.ts'
import { parseBody } from '../machinery/parse-body.ts'
import type { Field, Schema } from '../machinery/schema.ts'
import { StatusError } from '../machinery/status.ts'

/** A file that configures the server and cannot be used: the message says which field, and why. */
export class ConfigurationError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'ConfigurationError'
  }
}

/** What a configuration's file must say that it is. */
export interface ConfigurationType {
  readonly apiVersions: readonly string[]
  readonly kind: string
  readonly schema: Schema
}

export const text: Schema = { type: 'string' }
export const flag: Schema = { type: 'boolean' }
export const anything: Schema = { type: 'any' }

export function listOf(items: Schema): Schema {
  return { type: 'array', items }
}

export function objectOf(name: string, fields: Readonly<Record<string, Schema>>): Schema {
  // Kept where they are empty: an empty list may mean something else than none.
  const entries = Object.entries(fields).map(([field, schema]): [string, Field] => [field, { schema, required: true }])
  return { type: 'object', name, fields: new Map(entries) }
}

/** A whole configuration: what every one has, and its own fields. */
export function configurationOf(name: string, fields: Readonly<Record<string, Schema>>): Schema {
  return objectOf(name, { apiVersion: text, kind: text, metadata: anything, ...fields })
}

/** Reads YAML or JSON. Throws {@link ConfigurationError}; `unknown` has what the schema does not know, in upstream's words. */
export async function readConfiguration<T>(
  content: string,
  { apiVersions, kind, schema }: ConfigurationType,
): Promise<{ object: T; unknown: readonly string[] }> {
  try {
    const { value, duplicates } = await parseBody(Buffer.from(content), 'application/yaml', { findDuplicates: true })
    const given = (typeof value === 'object' && value !== null ? value : {}) as { apiVersion?: unknown; kind?: unknown }
    if (given.kind === undefined || given.kind === '') throw new ConfigurationError(`Object 'Kind' is missing: it must be ${kind}`)
    if (given.apiVersion === undefined)
      throw new ConfigurationError(`Object 'apiVersion' is missing: it must be ${apiVersions.join(' or ')}`)
    if (given.kind !== kind || !apiVersions.includes(String(given.apiVersion))) {
      throw new ConfigurationError(
        `no kind ${JSON.stringify(given.kind)} is registered for version ${JSON.stringify(given.apiVersion)}: it must be ${kind} of ${apiVersions.join(' or ')}`,
      )
    }
    const { object, warnings } = decodeObject<T & object>(schema, value, { fieldValidation: 'Warn', duplicates })
    return { object, unknown: warnings }
  } catch (error) {
    if (error instanceof StatusError) throw new ConfigurationError(error.message, { cause: error })
    throw error
  }
}

/** Throws all faults as one error, worded as upstream's aggregates. */
export function refuseFaults(faults: readonly FieldError[]): void {
  if (faults.length > 0) throw new ConfigurationError(faultsText(faults))
}
