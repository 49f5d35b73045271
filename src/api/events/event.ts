import { events as coreEvents } from '../core/event.ts'
import { validateEventUpdate, validateNewEvent } from '../core/event-strict-validation.ts'
import { defineKind } from '../define-kind.ts'
import type { Event, EventsV1Event } from '../generated/types.ts'
import type { Kind } from '../kind.ts'

/** Names of one field here and in core/v1, where the objects are stored. */
const renamed = {
  note: 'message',
  regarding: 'involvedObject',
  reportingController: 'reportingComponent',
  deprecatedSource: 'source',
  deprecatedFirstTimestamp: 'firstTimestamp',
  deprecatedLastTimestamp: 'lastTimestamp',
  deprecatedCount: 'count',
} as const

function rename<T>(object: object, names: Readonly<Record<string, string>>): T {
  return Object.fromEntries(Object.entries(object).map(([field, value]) => [names[field] ?? field, value])) as T
}

const back = Object.fromEntries(Object.entries(renamed).map(([here, there]) => [there, here]))

function toCoreEvent(event: EventsV1Event): Event {
  const stored = rename<Event>(event, renamed)
  stored.apiVersion = 'v1'
  return stored
}

/** For reading one that nobody has filled in yet. */
function asCoreEvent(event: EventsV1Event): Event {
  const stored = toCoreEvent(event)
  stored.involvedObject ??= {}
  return stored
}

function fromCoreEvent(event: Event): EventsV1Event {
  return { ...rename<EventsV1Event>(event, back), apiVersion: 'events.k8s.io/v1' }
}

/** Fields that core/v1 selects by, under their names here. */
const selectable = Object.entries(coreEvents.selectableFields).map(([field, read]) => {
  const path = field.replace('involvedObject', 'regarding').replace('reportingComponent', 'reportingController')
  return [path, (event: EventsV1Event) => read(asCoreEvent(event))] as const
})

export const newEvents = defineKind<EventsV1Event>({
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  typeName: 'EventsV1Event',
  plural: 'events',
  namespaced: true,
  shortNames: ['ev'],
  columns: coreEvents.columns.map((one) => ({ ...one, value: (event, nowMs) => one.value(asCoreEvent(event), nowMs) })),
  selectableFields: Object.fromEntries(selectable),
  storedAs: {
    kind: coreEvents as unknown as Kind,
    toStored: toCoreEvent,
    fromStored: (object) => fromCoreEvent(object as Event),
    validateCreate: (stored) => validateNewEvent(stored as Event),
    validateUpdate: (stored, previous) => validateEventUpdate(stored as Event, previous as Event),
  },
})
