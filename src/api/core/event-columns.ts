import { column, nameColumn, wideColumn } from '../columns.ts'
import { timeSince } from '../duration.ts'
import type { Event } from '../generated/types.ts'
import type { Column } from '../kind.ts'

function objectText({ involvedObject: { kind, name } }: Event): string {
  const type = (kind ?? '').toLowerCase()
  return name ? `${type}/${name}` : type
}

/** Old recorders name themselves in `source`, new ones in `reportingComponent` and `reportingInstance`. */
function sourceText(event: Event): string {
  const component = event.source?.component || event.reportingComponent
  const host = event.source?.host || event.reportingInstance
  return [component, host].filter(Boolean).join(', ')
}

const firstSeen = (event: Event): string | undefined => event.firstTimestamp || event.eventTime
const lastSeen = (event: Event): string | undefined => event.series?.lastObservedTime || event.lastTimestamp || firstSeen(event)

export const eventColumns: readonly Column<Event>[] = [
  column('Last Seen', 'string', 'Time since it last happened.', (event, nowMs) => timeSince(lastSeen(event), nowMs)),
  column('Type', 'string', 'Normal or Warning.', (event) => event.type ?? ''),
  column('Reason', 'string', 'Why it happened, in one word for machines.', (event) => event.reason ?? ''),
  column('Object', 'string', 'The object it is about.', objectText),
  wideColumn('Subobject', 'string', 'The part of the object it is about.', (event) => event.involvedObject.fieldPath ?? ''),
  wideColumn('Source', 'string', 'The component that reported it.', sourceText),
  column('Message', 'string', 'What happened, for people.', (event) => (event.message ?? '').trim()),
  wideColumn('First Seen', 'string', 'Time since it first happened.', (event, nowMs) => timeSince(firstSeen(event), nowMs)),
  wideColumn('Count', 'string', 'How often it happened.', (event) => event.series?.count ?? (event.count || 1)),
  { ...nameColumn, priority: 1 },
]
