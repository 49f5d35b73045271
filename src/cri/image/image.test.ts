import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tar from 'tar-stream'
import { afterAll, describe, expect, test } from 'vitest'
import { systemExec } from '../../host/exec.ts'
import { buildImage, parseBuildFile } from './build-image.ts'
import { pauseProgram } from './pause-program.ts'
import { normaliseImageName } from './reference.ts'

const directory = mkdtempSync(join(tmpdir(), 'image-'))
afterAll(() => rmSync(directory, { recursive: true }))
const deps = { exec: systemExec }

async function filesOf(archive: Buffer): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>()
  const extract = tar.extract()
  extract.end(archive)
  for await (const entry of extract) {
    const parts: Buffer[] = []
    for await (const part of entry as unknown as AsyncIterable<Buffer>) parts.push(part)
    files.set(`${entry.header.name} ${entry.header.mode?.toString(8)}`, Buffer.concat(parts))
  }
  return files
}

function folder(name: string, when: Date): string {
  const path = join(directory, name)
  mkdirSync(join(path, 'lib'), { recursive: true })
  writeFileSync(join(path, 'image.json'), '{"entrypoint": ["/server"], "env": {"A": "1"}, "exposedPorts": [8080]}')
  writeFileSync(join(path, 'server'), '#!/bin/sh\n')
  chmodSync(join(path, 'server'), when.getTime() === 0 ? 0o700 : 0o775)
  writeFileSync(join(path, 'lib', 'a.txt'), 'a')
  symlinkSync('lib/a.txt', join(path, 'link'))
  utimesSync(join(path, 'server'), when, when)
  return path
}

describe('buildImage', () => {
  test('the same files give the same bytes, whenever and whereby they were made', async () => {
    const outputs = []
    for (const [i, when] of [new Date(0), new Date(1e12)].entries()) {
      const output = join(directory, `${i}.tar`)
      outputs.push({ ...(await buildImage({ folder: folder(`same-${i}`, when), name: 'web', output }, deps)), bytes: readFileSync(output) })
    }
    expect(outputs[0]).toEqual(outputs[1])
    expect(outputs[0]?.name).toBe('docker.io/library/web:latest')
  })

  test('every blob lies under its digest, and the layer holds the files', async () => {
    const output = join(directory, 'layout.tar')
    const { digest } = await buildImage({ folder: folder('layout', new Date(5e11)), name: 'web:1', output }, deps)
    const files = await filesOf(readFileSync(output))
    const blobs = [...files].filter(([name]) => name.startsWith('blobs/'))
    expect(blobs).toHaveLength(3)
    for (const [name, data] of blobs) expect(name).toContain(createHash('sha256').update(data).digest('hex'))
    const index = JSON.parse(String(files.get('index.json 644')))
    expect(index.manifests).toMatchObject([{ digest, annotations: { 'io.containerd.image.name': 'docker.io/library/web:1' } }])
    const manifest = JSON.parse(String(files.get(`blobs/${digest.replace(':', '/')} 644`)))
    const blob = (of: { digest: string }): Buffer => files.get(`blobs/${of.digest.replace(':', '/')} 644`) as Buffer
    expect(JSON.parse(String(blob(manifest.config)))).toMatchObject({
      os: 'linux',
      config: { Entrypoint: ['/server'], ExposedPorts: { '8080/tcp': {} }, WorkingDir: '/' },
      rootfs: { type: 'layers', diff_ids: [manifest.layers[0].digest] },
    })
    expect([...(await filesOf(blob(manifest.layers[0]))).keys()]).toEqual(['lib/ 755', 'lib/a.txt 644', 'link 777', 'server 755'])
  })

  test('a folder without image.json says what is missing', async () => {
    await expect(buildImage({ folder: tmpdir(), name: 'x', output: join(directory, 'x.tar') }, deps)).rejects.toThrow(/has no image\.json/)
  })
})

describe('image.json', () => {
  test.each([
    ['{', /no JSON/],
    ['[]', /must be a JSON object/],
    ['{"entrypoint": "sh"}', /entrypoint must be a list of strings/],
    ['{"command": ["sh"]}', /unknown field command; there are .*entrypoint/],
    ['{"__proto__x": 1}', /unknown field/],
    ['{"base": "debian"}', /base must be "busybox"/],
    ['{"exposedPorts": ["http"]}', /exposedPorts must be a list of ports/],
  ])('%s', (text, message) => expect(() => parseBuildFile(text)).toThrow(message))
})

describe('image names', () => {
  test.each([
    ['web', 'docker.io/library/web:latest'],
    ['web:1', 'docker.io/library/web:1'],
    ['team/web', 'docker.io/team/web:latest'],
    ['docker.io/web', 'docker.io/library/web:latest'],
    ['index.docker.io/library/web:1', 'docker.io/library/web:1'],
    ['localhost/web', 'localhost/web:latest'],
    ['registry:5000/web', 'registry:5000/web:latest'],
    [`ghcr.io/team/web@sha256:${'0'.repeat(64)}`, `ghcr.io/team/web@sha256:${'0'.repeat(64)}`],
  ])('%s', (name, expected) => expect(normaliseImageName(name)).toBe(expected))
})

describe('the pause program', () => {
  test.runIf(process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)).each(['SIGTERM', 'SIGINT'] as const)(
    'waits without using the processor, and ends at %s',
    async (signal) => {
      const path = join(directory, `pause-${signal}`)
      writeFileSync(path, pauseProgram(process.arch === 'x64' ? 'amd64' : 'arm64'), { mode: 0o755 })
      const child = spawn(path)
      const ended = new Promise((resolve) => child.once('exit', (code, by) => resolve({ code, by })))
      const stat = () =>
        readFileSync(`/proc/${child.pid}/stat`, 'latin1')
          .replace(/^.*\) /, '')
          .split(' ')
      while (stat()[0] !== 'S') await new Promise((resolve) => setTimeout(resolve, 5))
      await new Promise((resolve) => setTimeout(resolve, 30))
      expect({ state: stat()[0], userTicks: stat()[11] }).toEqual({ state: 'S', userTicks: '0' })
      child.kill(signal)
      expect(await ended).toEqual({ code: 0, by: null })
    },
  )

  test.each(['amd64', 'arm64'] as const)('%s: the same bytes as ever', (architecture) => {
    const program = pauseProgram(architecture)
    expect({ bytes: program.length, sha256: createHash('sha256').update(program).digest('hex') }).toMatchSnapshot()
  })
})
