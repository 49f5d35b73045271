import type { Kind, StoredForm } from '../api/kind.ts'
import type { ApiRequest, ApiWatchEvent } from '../machinery/api-request.ts'
import type { FieldValidation } from '../machinery/decode.ts'
import { apiVersionOf } from '../machinery/group-version.ts'
import type { KubeObject } from '../machinery/object.ts'
import { readObject } from './body.ts'
import type { Presentation } from './presentation.ts'

/*
 * Objects that are served in a second version or group are stored in one form alone. They are turned round at the edge: what comes in
 * before it is written, what goes out before it is shown; everything between knows the stored form only.
 */

/** The kind that the store knows. Fields are selected by their names in the served form. */
export function storedKindOf(kind: Kind): Kind {
  if (!kind.storedAs) return kind
  const { kind: stored, validateCreate, validateUpdate } = kind.storedAs
  return {
    ...stored,
    selectableFields: kind.selectableFields,
    ...(validateCreate ? { validateCreate } : {}),
    validateUpdate: (object, previous) => [...stored.validateUpdate(object, previous), ...(validateUpdate?.(object, previous) ?? [])],
  }
}

export async function readStored(
  request: ApiRequest,
  kind: Kind,
  fieldValidation: FieldValidation,
): Promise<{ object: KubeObject; warnings: readonly string[] }> {
  const { object, warnings } = await readObject(request, kind, fieldValidation)
  return { object: kind.storedAs ? kind.storedAs.toStored(object) : object, warnings }
}

/** Shows stored objects in the form that `kind` is. */
export function inForm(kind: Kind, form: StoredForm, show: Presentation): Presentation {
  const served = (object: KubeObject): KubeObject => form.fromStored(object)
  const turned = (event: ApiWatchEvent): ApiWatchEvent => {
    if (event.type === 'ERROR') return event
    // A bookmark has metadata alone.
    const object = event.type === 'BOOKMARK' ? { ...event.object, apiVersion: apiVersionOf(kind) } : served(event.object as KubeObject)
    return { type: event.type, object }
  }
  return {
    one: (object) => show.one(served(object)),
    list: ({ items, metadata }) => show.list({ items: items.map(({ object }) => ({ object: served(object) })), metadata }),
    form: {
      name: `${apiVersionOf(kind)} ${show.form?.name ?? ''}`,
      present: (event, first) => (show.form ? show.form.present(turned(event), first) : turned(event)),
    },
  }
}
