import { type FieldError, invalidValue, required } from '../../machinery/field-error.ts'
import { type Faults, qualifiedNameFaults } from '../field-checks.ts'
import type { Event } from '../generated/types.ts'

const maxWordLength = 128
const maxMessageLength = 1024

function* lengthFaults(path: string, text: string, max: number): Faults {
  if (text.length > max) yield invalidValue(path, '', `can have at most ${max} characters`)
}

/** Events live in the namespace of what they are about; those about objects in no namespace, in `default`. */
function* placeFaults({ metadata, involvedObject, eventTime }: Event): Faults {
  const about = involvedObject.namespace ?? ''
  const homes = eventTime ? ['default', 'kube-system'] : ['default']
  if (about ? about === metadata.namespace : homes.includes(metadata.namespace ?? '')) return
  yield invalidValue('involvedObject.namespace', about, 'does not match event.namespace')
}

/** Events of the newer form, known by their eventTime, say who acts and how. */
function* newFormFaults(event: Event): Faults {
  const { reportingComponent = '', reportingInstance = '', action = '', reason = '', message = '' } = event
  if (!reportingComponent) yield required('reportingController')
  yield* qualifiedNameFaults('reportingController', reportingComponent)
  for (const [path, text] of Object.entries({ reportingInstance, action, reason })) {
    if (!text) yield required(path)
    yield* lengthFaults(path, text, maxWordLength)
  }
  yield* lengthFaults('message', message, maxMessageLength)
}

export function validateEvent(event: Event): FieldError[] {
  return [...placeFaults(event), ...(event.eventTime ? newFormFaults(event) : [])]
}
