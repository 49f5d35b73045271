import { decodeObject } from '../machinery/decode.ts'
import { type FieldError, faultsText } from '../machinery/field-error.ts'
import { type ParsedBody, parseBody } from '../machinery/parse-body.ts'
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

interface Read<T> {
  readonly object: T
  /** What the schema does not know, in upstream's words. */
  readonly unknown: readonly string[]
}

/** Reads YAML or JSON. Throws {@link ConfigurationError}. */
export async function readConfiguration<T>(content: string, type: ConfigurationType): Promise<Read<T>> {
  const { value, duplicates } = await parsedConfiguration(content)
  return decodeConfiguration<T>(value, type, duplicates)
}

export async function parsedConfiguration(content: string): Promise<ParsedBody> {
  try {
    return await parseBody(Buffer.from(content), 'application/yaml', { findDuplicates: true })
  } catch (error) {
    throw worded(error)
  }
}

/** The same of what has been parsed. */
export function decodeConfiguration<T>(
  value: unknown,
  { apiVersions, kind, schema }: ConfigurationType,
  duplicates: readonly string[] = [],
): Read<T> {
  const given = (typeof value === 'object' && value !== null ? value : {}) as { apiVersion?: unknown; kind?: unknown }
  if (!given.kind) throw new ConfigurationError(`Object 'Kind' is missing: it must be ${kind}`)
  if (!given.apiVersion) throw new ConfigurationError(`Object 'apiVersion' is missing: it must be ${apiVersions.join(' or ')}`)
  if (given.kind !== kind || !apiVersions.includes(String(given.apiVersion))) {
    throw new ConfigurationError(
      `no kind ${JSON.stringify(given.kind)} is registered for version ${JSON.stringify(given.apiVersion)}: it must be ${kind} of ${apiVersions.join(' or ')}`,
    )
  }
  return decoded(schema, value, duplicates)
}

/** A value that says nothing of what it is. */
export function decoded<T>(schema: Schema, value: unknown, duplicates: readonly string[] = []): Read<T> {
  try {
    const { object, warnings } = decodeObject<T & object>(schema, value, { fieldValidation: 'Warn', duplicates })
    return { object, unknown: warnings }
  } catch (error) {
    throw worded(error)
  }
}

function worded(error: unknown): unknown {
  return error instanceof StatusError ? new ConfigurationError(error.message, { cause: error }) : error
}

/** Throws where there is something that nobody understands. */
export function refuseUnknown(unknown: readonly string[]): void {
  if (unknown.length > 0) throw new ConfigurationError(`strict decoding error: ${unknown.join(', ')}`)
}

/** Throws all faults as one error, worded as upstream's aggregates. */
export function refuseFaults(faults: readonly FieldError[]): void {
  if (faults.length > 0) throw new ConfigurationError(faultsText(faults))
}
