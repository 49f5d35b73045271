import { deepEqual } from '../../machinery/equality.ts'
import { type FieldError, invalidValue, required } from '../../machinery/field-error.ts'
import { immutableFaults } from '../field-checks.ts'
import type { Event } from '../generated/types.ts'

/*
 * What events.k8s.io/v1 asks of an Event beyond core/v1, which takes what it always took. Fields go by the names that upstream gives them
 * in messages: those of the stored form, but for reportingController.
 */

/** Fields that one who writes the newer form leaves empty, and what counts as empty beside nothing at all. */
const oldFields = { firstTimestamp: undefined, lastTimestamp: undefined, count: 0 } as const

export function validateNewEvent(event: Event): FieldError[] {
  const faults = seriesFaults(event)
  if (!event.eventTime) faults.push(required('eventTime'))
  if (event.type !== 'Normal' && event.type !== 'Warning') faults.push(invalidValue('type', '', `has invalid value: ${event.type ?? ''}`))
  for (const [field, empty] of Object.entries(oldFields)) {
    const value = event[field as keyof typeof oldFields]
    if (value !== undefined && value !== empty) faults.push(invalidValue(field, '', 'needs to be unset'))
  }
  if (event.source?.component || event.source?.host) faults.push(invalidValue('source', '', 'needs to be unset'))
  return faults
}

const fixed = {
  involvedObject: 'involvedObject',
  reason: 'reason',
  message: 'message',
  source: 'source',
  firstTimestamp: 'firstTimestamp',
  lastTimestamp: 'lastTimestamp',
  count: 'count',
  type: 'type',
  eventTime: 'eventTime',
  action: 'action',
  related: 'related',
  reportingComponent: 'reportingController',
  reportingInstance: 'reportingInstance',
} as const

/** An event has been: only how often it was seen again may change. */
export function validateEventUpdate(event: Event, previous: Event): FieldError[] {
  const faults = deepEqual(event.series, previous.series) ? [] : seriesFaults(event)
  for (const [field, path] of Object.entries(fixed)) {
    const key = field as keyof typeof fixed
    faults.push(...immutableFaults(path, event[key], previous[key]))
  }
  return faults
}

function seriesFaults({ series }: Event): FieldError[] {
  if (!series) return []
  return [
    ...((series.count ?? 0) < 2 ? [invalidValue('series.count', '', 'should be at least 2')] : []),
    ...(series.lastObservedTime ? [] : [required('series.lastObservedTime')]),
  ]
}
