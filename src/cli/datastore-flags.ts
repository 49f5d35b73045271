import { accessSync, constants } from 'node:fs'
import { resolve } from 'node:path'
import { type Datastore, defaultDatastorePrefix } from '../cluster/config.ts'
import { ConfigError } from '../cluster/config-file.ts'

export interface DatastoreFlags {
  datastore?: string[] | undefined
  datastoreCafile?: string | undefined
  datastoreCertfile?: string | undefined
  datastoreKeyfile?: string | undefined
  datastorePrefix?: string | undefined
}

/** Undefined: none was asked for. Throws {@link ConfigError} on what does not fit together, and on files that can't be read. */
export function datastoreOf(flags: DatastoreFlags): Datastore | undefined {
  const { datastore, datastoreCafile, datastoreCertfile, datastoreKeyfile, datastorePrefix } = flags
  if (!datastore) {
    const alone = Object.entries({
      cafile: datastoreCafile,
      certfile: datastoreCertfile,
      keyfile: datastoreKeyfile,
      prefix: datastorePrefix,
    })
    const given = alone.find(([, value]) => value !== undefined)
    if (given) throw new ConfigError(`--datastore-${given[0]} is of no use without --datastore`)
    return undefined
  }
  if (Boolean(datastoreCertfile) !== Boolean(datastoreKeyfile)) {
    throw new ConfigError('--datastore-certfile and --datastore-keyfile belong together: give both')
  }
  const file = (flag: string, path: string | undefined): string | undefined => {
    if (path === undefined) return undefined
    try {
      accessSync(path, constants.R_OK)
    } catch (cause) {
      throw new ConfigError(`${flag}: ${path} can't be read (${(cause as NodeJS.ErrnoException).code})`)
    }
    return resolve(path)
  }
  const caFile = file('--datastore-cafile', datastoreCafile)
  const certFile = file('--datastore-certfile', datastoreCertfile)
  const keyFile = file('--datastore-keyfile', datastoreKeyfile)
  return {
    endpoints: datastore.map((url) => url.replace(/\/$/, '')),
    ...(caFile ? { caFile } : {}),
    ...(certFile && keyFile ? { certFile, keyFile } : {}),
    prefix: datastorePrefix ?? defaultDatastorePrefix,
  }
}
