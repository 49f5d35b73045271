import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The examples folder beside dist/ or src/, wherever this code runs from. */
export function exampleFile(name: string): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); folder !== '/'; folder = dirname(folder)) {
    const path = join(folder, 'examples', name)
    if (existsSync(path)) return path
  }
  throw new Error(`the example ${name} is missing from this copy of ownkube`)
}
