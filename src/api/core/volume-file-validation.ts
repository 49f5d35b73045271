import { invalidValue, required } from '../../machinery/field-error.ts'
import { type Faults, userIdFaults, writtenPathFaults } from '../field-checks.ts'
import type { DownwardAPIVolumeFile, KeyToPath } from '../generated/types.ts'
import { fieldRefFaults, resourceRefFaults, volumeFields } from './env-validation.ts'

/** Files that the kubelet writes into a volume. */

export function* modeFaults(path: string, mode: number | undefined): Faults {
  if (mode === undefined || (mode >= 0 && mode <= 0o777)) return
  yield invalidValue(path, mode, 'must be a number between 0 and 0777 (octal), both inclusive')
}

export function* itemsFaults(path: string, items: readonly KeyToPath[] = []): Faults {
  for (const [index, item] of items.entries()) {
    const at = `${path}[${index}]`
    if (!item.key) yield required(`${at}.key`)
    if (!item.path) yield required(`${at}.path`)
    yield* writtenPathFaults(`${at}.path`, item.path ?? '')
    yield* modeFaults(`${at}.mode`, item.mode)
    yield* userIdFaults(`${at}.user`, item.user)
  }
}

/** `path` is the source's: upstream tells of no position. */
export function* downwardFileFaults(path: string, file: DownwardAPIVolumeFile): Faults {
  if (!file.path) yield required(`${path}.path`)
  yield* writtenPathFaults(`${path}.path`, file.path ?? '')
  if (file.fieldRef) {
    yield* fieldRefFaults(`${path}.fieldRef`, file.fieldRef, volumeFields)
    if (file.resourceFieldRef) yield invalidValue(path, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously')
  } else if (file.resourceFieldRef) yield* resourceRefFaults(`${path}.resourceFieldRef`, file.resourceFieldRef, 'named')
  else yield required(path, 'one of fieldRef and resourceFieldRef is required')
  yield* modeFaults(`${path}.mode`, file.mode)
  yield* userIdFaults(`${path}.user`, file.user)
}
