import { defineKind } from '../define-kind.ts'
import type { Event } from '../generated/types.ts'

export const events = defineKind<Event>({
  group: '',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  namespaced: true,
  shortNames: ['ev'],
})
