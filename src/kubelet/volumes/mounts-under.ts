import { readFile, rm } from 'node:fs/promises'
import { type Exec, mustRun } from '../../host/exec.ts'

/** Mount points at or below a folder, the deepest first, from the text of /proc/self/mountinfo. */
export function mountsUnder(folder: string, mountInfo: string): string[] {
  const paths = mountInfo
    .split('\n')
    .map((line) =>
      (line.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    )
    .filter((path) => path === folder || path.startsWith(`${folder}/`))
  return paths.reverse()
}

/** Removes a folder with all below it, first unmounting what is mounted there: never reaches into a mounted file system. */
export async function removeWithMounts(folder: string, exec: Exec): Promise<void> {
  const mounted = mountsUnder(folder, await readFile('/proc/self/mountinfo', 'utf8'))
  for (const path of mounted) await mustRun(exec, 'umount', [path])
  await rm(folder, { recursive: true, force: true })
}
