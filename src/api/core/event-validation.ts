import { type FieldError, invalidValue } from '../../machinery/field-error.ts'
import type { Event } from '../generated/types.ts'

/** Events live in the namespace of what they are about; those about objects in no namespace, in `default`. */
export function validateEvent({ metadata, involvedObject }: Event): FieldError[] {
  const about = involvedObject.namespace ?? ''
  if (about === metadata.namespace) return []
  if (!about && (metadata.namespace === 'default' || metadata.namespace === 'kube-system')) return []
  return [invalidValue('involvedObject.namespace', about, 'does not match event.namespace')]
}
