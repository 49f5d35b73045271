import { open, stat } from 'node:fs/promises'
import type { Exec } from '../../host/exec.ts'
import { mustRun } from '../../host/exec.ts'
import { type LayerEntry, writeLayer } from './image-layer.ts'
import { composeImage, goArchitecture, type OciImage } from './oci-image.ts'

/** Where distributions put a static busybox. */
const candidates = ['/usr/bin/busybox', '/bin/busybox', '/bin/busybox-static', '/usr/bin/busybox-static', '/bin/busybox.static']

/** The first busybox that needs no libraries; throws, saying what to install, when there is none. */
async function findBusybox(): Promise<string> {
  for (const path of candidates) if (await isStatic(path)) return path
  throw new Error(`no static busybox in ${candidates.join(', ')}: install busybox-static`)
}

/** A small Linux userland: busybox of this machine, each of its programs linked in /bin, and the files that programs expect. */
export async function busyboxEntries(exec: Exec): Promise<LayerEntry[]> {
  const source = await findBusybox()
  const { size } = await stat(source)
  const applets = (await mustRun(exec, source, ['--list'])).split('\n').filter((name) => name !== '' && name !== 'busybox')
  const text = (path: string, content: string): LayerEntry => ({ type: 'file', path, mode: 0o644, data: Buffer.from(content) })
  return [
    { type: 'file', path: '/bin/busybox', mode: 0o755, source, size },
    ...applets.map((name): LayerEntry => ({ type: 'symlink', path: `/bin/${name}`, target: 'busybox' })),
    text('/etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n'),
    text('/etc/group', 'root:x:0:\nnogroup:x:65534:\n'),
    ...['/root', '/proc', '/sys', '/dev', '/var', '/usr/bin'].map((path): LayerEntry => ({ type: 'directory', path, mode: 0o755 })),
    { type: 'directory', path: '/tmp', mode: 0o1777 },
  ]
}

export async function busyboxImage(deps: { exec: Exec }, name = 'docker.io/library/busybox:latest'): Promise<OciImage> {
  const layer = await writeLayer(await busyboxEntries(deps.exec))
  return composeImage({ name, architecture: goArchitecture(process.arch), config: { cmd: ['sh'] }, layers: [layer] })
}

/** An ELF file without an interpreter (PT_INTERP) is linked statically. */
async function isStatic(path: string): Promise<boolean> {
  let head: Buffer
  try {
    const file = await open(path)
    try {
      head = (await file.read({ buffer: Buffer.alloc(4_096), position: 0 })).buffer
    } finally {
      await file.close()
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
  if (head.readUInt32BE(0) !== 0x7f454c46) return false
  const [offset, size, count] = [Number(head.readBigUInt64LE(32)), head.readUInt16LE(54), head.readUInt16LE(56)]
  for (let i = 0; i < count; i++) {
    const at = offset + i * size
    if (at + 4 <= head.length && head.readUInt32LE(at) === 3) return false
  }
  return true
}
