import { isNotFound } from '../machinery/status.ts'

/** Runs a write; undefined where the object has gone meanwhile: then there is nothing left to write. */
export async function unlessGone<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run()
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}
