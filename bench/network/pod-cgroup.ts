import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { unifiedCgroup } from '../../src/cri/unified-cgroup.ts'

/** A cgroup of version 2 of the bench's own, for processes that play pods whose sockets are balanced. */
export class PodCgroup {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  static async make(tag = ''): Promise<PodCgroup> {
    const found = await unifiedCgroup(`okb${process.pid}${tag}`)
    if (!found) throw new Error('balancing sockets needs cgroups of version 2, and none are mounted here')
    mkdirSync(found.path)
    return new PodCgroup(found.path)
  }

  take(pid: number): void {
    writeFileSync(join(this.path, 'cgroup.procs'), String(pid))
  }

  /** Programs that are attached to it go with it. `pids`: who is in it, and stays alive. */
  remove(pids: readonly number[] = []): void {
    for (const pid of pids) writeFileSync(join(dirname(this.path), 'cgroup.procs'), String(pid))
    rmdirSync(this.path)
  }
}
