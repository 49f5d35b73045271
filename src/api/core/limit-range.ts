import { createdAtColumn, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import type { LimitRange, LimitRangeItem } from '../generated/types.ts'
import { validateLimitRange } from './limit-range-validation.ts'

/** What a container gets that says nothing: the most it may have; of requests, the default limit, else the least. */
function setItemDefaults(item: LimitRangeItem): void {
  if (item.type !== 'Container') return
  item.default = { ...item.max, ...item.default }
  item.defaultRequest = { ...item.min, ...item.default, ...item.defaultRequest }
  if (Object.keys(item.default).length === 0) delete item.default
  if (Object.keys(item.defaultRequest).length === 0) delete item.defaultRequest
}

export const limitRanges = defineKind<LimitRange>({
  group: '',
  version: 'v1',
  kind: 'LimitRange',
  plural: 'limitranges',
  namespaced: true,
  shortNames: ['limits'],
  columns: [nameColumn, createdAtColumn],
  setDefaults: (range) => {
    range.spec ??= { limits: [] }
    for (const item of range.spec.limits ?? []) setItemDefaults(item)
  },
  validate: validateLimitRange,
})
