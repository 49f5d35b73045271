import { ageColumn, column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import type { Secret } from '../generated/types.ts'
import { validateSecret, validateSecretUpdate } from './data-validation.ts'

/** `stringData` is a way of writing only: what it holds is stored, encoded, in `data`. */
function encodeStringData(secret: Secret): void {
  if (!secret.stringData) return
  const encoded = Object.entries(secret.stringData).map(([key, text]) => [key, Buffer.from(text).toString('base64')])
  secret.data = { ...secret.data, ...Object.fromEntries(encoded) }
  delete secret.stringData
}

export const secrets = defineKind<Secret>({
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  namespaced: true,
  columns: [
    nameColumn,
    column('Type', 'string', 'What the secret is for.', (secret) => secret.type ?? ''),
    column('Data', 'string', 'How many entries.', ({ data }) => Object.keys(data ?? {}).length),
    ageColumn,
  ],
  selectableFields: { type: (secret) => secret.type ?? '' },
  setDefaults: (secret) => {
    encodeStringData(secret)
    secret.type ||= 'Opaque'
  },
  validate: validateSecret,
  validateUpdate: validateSecretUpdate,
})
