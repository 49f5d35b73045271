/**
 * Fields that JSON holds as they come and protobuf as messages of their own: a schema of a CustomResourceDefinition may stand
 * where a list of schemas, a truth value or a list of names may.
 */
const unions: Readonly<Record<string, 'schema-or-list' | 'schema-or-boolean' | 'schema-or-names' | undefined>> = {
  'JSONSchemaProps.items': 'schema-or-list',
  'JSONSchemaProps.additionalItems': 'schema-or-boolean',
  'JSONSchemaProps.additionalProperties': 'schema-or-boolean',
  'JSONSchemaProps.dependencies': 'schema-or-names',
}

export type Union = NonNullable<(typeof unions)[string]>

export const unionOf = (path: string): Union | undefined => unions[path]

/** Numbers of their fields. */
export const unionFields = { schema: 1, list: 2, names: 2, allows: 1, allowed: 2 } as const
