import { isObject } from '../../machinery/equality.ts'

/** An object, or a list or table of objects, without the account of who set which field. Shares all else with it. */
export function withoutManagedFields(value: unknown): unknown {
  if (!isObject(value)) return value
  const bare = withoutOwn(value)
  if (Array.isArray(bare.items)) return { ...bare, items: bare.items.map((item) => (isObject(item) ? withoutOwn(item) : item)) }
  if (bare.kind !== 'Table' || !Array.isArray(bare.rows)) return bare
  return {
    ...bare,
    rows: bare.rows.map((row) => (isObject(row) && isObject(row.object) ? { ...row, object: withoutOwn(row.object) } : row)),
  }
}

function withoutOwn(object: Readonly<Record<string, unknown>>): Record<string, unknown> {
  if (!isObject(object.metadata)) return { ...object }
  const { managedFields: _, ...metadata } = object.metadata
  return { ...object, metadata }
}
