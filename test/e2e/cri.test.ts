import { createReadStream, createWriteStream, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import tar from 'tar-stream'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { connectContainerd } from '../../src/cri/containerd.ts'
import { removeRuntimeLeftovers, startContainerd, stopContainerd } from '../../src/cri/containerd-process.ts'
import { buildImage, writeImageArchive } from '../../src/cri/image/build-image.ts'
import { busyboxImage } from '../../src/cri/image/busybox-image.ts'
import { writeLayer } from '../../src/cri/image/image-layer.ts'
import { withImageStore } from '../../src/cri/image/image-store.ts'
import { importImage } from '../../src/cri/image/import-image.ts'
import { composeImage } from '../../src/cri/image/oci-image.ts'
import { ensurePauseImage, pauseImageName } from '../../src/cri/image/pause-image.ts'
import type { ContainerRuntime } from '../../src/cri/runtime.ts'
import { containerConfig, type RuntimeUnderTest, runtimeContract, sandboxConfig } from '../../src/cri/runtime-contract.ts'
import { shimsOf, tasksIn } from '../../src/cri/runtime-leftovers.ts'
import { systemClock } from '../../src/host/clock.ts'
import { systemExec } from '../../src/host/exec.ts'
import { silentLog } from '../../src/host/log.ts'
import { bridgeName } from '../../src/podnet/names.ts'
import { ensurePodNetwork, removePodNetwork } from '../../src/podnet/pod-network.ts'

const directory = mkdtempSync(join(tmpdir(), 'ok-cri-'))
const cluster = directory.slice(-6).toLowerCase()
const deps = { clock: systemClock, exec: systemExec, log: silentLog }
const containerd = {
  dataDir: join(directory, 'data'),
  runDir: join(directory, 'run'),
  sandboxImage: pauseImageName,
  cniBinDirs: ['/usr/lib/cni', '/opt/cni/bin', '/usr/libexec/cni'],
  cniConfDir: join(directory, 'cni'),
  logFile: join(directory, 'containerd.log'),
}
const network = {
  ...{ cluster, chainTag: cluster.slice(0, 3), podCidr: '10.211.0.0/16', nodePodCidr: '10.211.7.0/24' },
  ...{ cniConfDir: containerd.cniConfDir, dataDir: join(directory, 'podnet') },
}
const otherArchitecture = process.arch === 'x64' ? 'arm64' : 'amd64'
const cgroupRoot = `/ownkube-test-${cluster}`
let under: RuntimeUnderTest & { runtime: ContainerRuntime & { close(): void } }
let socket = ''
let pid = 0

beforeAll(async () => {
  await ensurePodNetwork(network, deps)
  ;({ socket, pid } = await startContainerd(containerd, deps))
  await ensurePauseImage({ ...deps, socket })
  const busybox = await busyboxImage(deps)
  await withImageStore({ ...deps, socket }, (store) => store.put(busybox))
  const runtime = connectContainerd({ ...deps, socket })
  under = { runtime, image: 'busybox', logDirectory: join(directory, 'logs'), cgroupParent: cgroupRoot }
  while (!(await runtime.status()).networkReady || !(await runtime.imageStatus('busybox'))) await systemClock.sleep(10)
})

const filesIn = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : [])

afterAll(async () => {
  under?.runtime.close()
  await stopContainerd(containerd, deps)
  await removeRuntimeLeftovers({ ...containerd, cgroupRoot }, deps)
  await removePodNetwork(network, deps)
  rmSync(directory, { recursive: true, force: true })
})

runtimeContract('containerd', () => under)

/** Everything of ours on this machine, in the machine's own words. */
async function traces(): Promise<string[]> {
  const found: string[] = []
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  found.push(...mounts.filter((line) => line.includes(directory)))
  for (const process of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const path = `/proc/${process}/cmdline`
    const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
    if (text.includes(containerd.runDir)) found.push(text.replaceAll('\0', ' '))
  }
  const links = await systemExec.run('ip', ['-o', 'link'])
  found.push(...links.stdout.split('\n').filter((line) => line.includes(bridgeName(cluster))))
  const rules = await systemExec.run('iptables-save', [])
  found.push(...rules.stdout.split('\n').filter((line) => line.includes(cluster) || line.includes(`-${network.chainTag}`)))
  const roots = ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((name) => join('/sys/fs/cgroup', name))]
  found.push(...roots.map((root) => root + cgroupRoot).filter((path) => existsSync(path)))
  return found
}

describe('a pod on a real containerd', () => {
  test('has a log, and answers another pod and the node by its address', async () => {
    const { runtime } = under
    const config = sandboxConfig(under, 'server')
    const sandboxId = await runtime.runPodSandbox(config)
    const command = ['sh', '-c', 'echo listening; mkdir /w; echo hello > /w/index.html; exec httpd -f -p 80 -h /w']
    const id = await runtime.createContainer(sandboxId, containerConfig(under, command), config)
    await runtime.startContainer(id)
    const { ip } = await runtime.podSandboxStatus(sandboxId)
    expect(ip).toMatch(/^10\.211\.7\./)
    for (let i = 0; i < 100 && !existsSync(join(config.logDirectory, 'main.log')); i++) await systemClock.sleep(10)
    let answer = ''
    for (let i = 0; i < 100 && answer === ''; i++) {
      answer = await fetch(`http://${ip}/`).then(
        (response) => response.text(),
        () => '',
      )
      await systemClock.sleep(10)
    }
    expect(answer).toBe('hello\n')
    expect(readFileSync(join(config.logDirectory, 'main.log'), 'utf8')).toMatch(/^\d{4}-\S+Z stdout F listening\n/)

    const other = sandboxConfig(under, 'client')
    const otherId = await runtime.runPodSandbox(other)
    const client = await runtime.createContainer(otherId, containerConfig(under, ['sleep', '1000']), other)
    await runtime.startContainer(client)
    const got = await runtime.execSync(client, ['wget', '-qO-', `http://${ip}/`], 5)
    expect(Buffer.from(got.stdout).toString()).toBe('hello\n')
    const resolver = await runtime.execSync(client, ['cat', '/etc/resolv.conf'], 5)
    expect(Buffer.from(resolver.stdout).toString()).toContain('nameserver 10.96.0.10')
    for (const one of [sandboxId, otherId]) await runtime.removePodSandbox(one)
  })

  test('an image built from a folder runs after its import', async () => {
    const folder = join(directory, 'web')
    await systemExec.run('mkdir', ['-p', folder])
    writeFileSync(join(folder, 'image.json'), JSON.stringify({ base: 'busybox', to: '/srv', entrypoint: ['cat', '/srv/text'] }))
    writeFileSync(join(folder, 'text'), 'from the folder\n')
    const output = join(directory, 'web.tar')
    await buildImage({ folder, name: 'web:2', output }, deps)
    expect(await importImage(output, { ...deps, socket })).toEqual(['docker.io/library/web:2'])
    expect(await importImage(output, { ...deps, socket })).toEqual(['docker.io/library/web:2'])
    const { runtime } = under
    const config = sandboxConfig(under, 'web')
    const sandboxId = await runtime.runPodSandbox(config)
    const id = await runtime.createContainer(sandboxId, { ...containerConfig(under, []), image: 'web:2' }, config)
    await runtime.startContainer(id)
    while ((await runtime.containerStatus(id)).state !== 'exited') await systemClock.sleep(10)
    expect(readFileSync(join(config.logDirectory, 'main.log'), 'utf8')).toMatch(/stdout F from the folder\n$/)
    await runtime.removePodSandbox(sandboxId)
  })

  test('a name that gets new content means the new content at once', async () => {
    const folder = join(directory, 'web')
    const output = join(directory, 'changed.tar')
    const ids = []
    for (const text of ['one', 'two', 'three']) {
      writeFileSync(join(folder, 'text'), text)
      await buildImage({ folder, name: 'web:3', output }, deps)
      await importImage(output, { ...deps, socket })
      ids.push((await under.runtime.imageStatus('web:3'))?.id)
    }
    expect(new Set(ids).size).toBe(3)
  })

  test('an archive of docker save, gzipped, is imported too', async () => {
    const old = join(directory, 'old.tgz')
    const pack = tar.pack()
    const extract = tar.extract()
    extract.on('entry', (head, content, next) => {
      if (head.name === 'index.json' || head.name === 'oci-layout') content.on('end', next).resume()
      else content.pipe(pack.entry(head, next))
    })
    extract.on('finish', () => pack.finalize())
    createReadStream(join(directory, 'web.tar')).pipe(extract)
    await pipeline(pack as unknown as AsyncIterable<Buffer>, createGzip(), createWriteStream(old))
    await under.runtime.removeImage('web:2')
    expect(await under.runtime.imageStatus('web:2')).toBeUndefined()
    expect(await importImage(old, { ...deps, socket })).toEqual(['docker.io/library/web:2'])
    expect(await under.runtime.imageStatus('web:2')).toBeDefined()
    const foreign = join(directory, 'foreign.tar')
    const layers = [await writeLayer([])]
    await writeImageArchive(
      composeImage({ name: 'docker.io/library/foreign:1', architecture: otherArchitecture, config: {}, layers }),
      foreign,
    )
    await expect(importImage(foreign, { ...deps, socket })).rejects.toThrow(`the image is for linux/${otherArchitecture}; this machine is`)
    expect(await under.runtime.imageStatus('foreign:1')).toBeUndefined()
    writeFileSync(old, 'no archive at all'.repeat(100))
    await expect(importImage(old, { ...deps, socket })).rejects.toThrow(/old\.tgz is no tar archive/)
  })

  test('is killed when it takes more memory than it may', async () => {
    const { runtime } = under
    const config = sandboxConfig(under, 'greedy')
    const sandboxId = await runtime.runPodSandbox(config)
    const container = containerConfig(under, ['tail', '/dev/zero'])
    container.resources.memoryLimitBytes = 16 * 2 ** 20
    const id = await runtime.createContainer(sandboxId, container, config)
    const stop = new AbortController()
    const types: string[] = []
    const reading = (async () => {
      for await (const event of runtime.events(stop.signal)) {
        if (event.type === 'lost') await runtime.startContainer(id)
        if (event.id === id) types.push(event.type)
        if (event.type === 'container-exited' && event.id === id) return
      }
    })()
    await reading
    stop.abort()
    expect(types).toContain('oom')
    expect(await runtime.containerStatus(id)).toMatchObject({ exitCode: 137, reason: 'OOMKilled' })
    await runtime.removePodSandbox(sandboxId)
  })

  test('outlives its containerd, which comes back after a kill and tells that events were lost', async () => {
    const { runtime } = under
    const config = sandboxConfig(under, 'survivor')
    const sandboxId = await runtime.runPodSandbox(config)
    const id = await runtime.createContainer(sandboxId, containerConfig(under, ['sleep', '1000']), config)
    await runtime.startContainer(id)
    const stop = new AbortController()
    const events = runtime.events(stop.signal)[Symbol.asyncIterator]()
    expect((await events.next()).value).toEqual({ type: 'lost', id: '' })
    process.kill(pid, 'SIGKILL')
    expect((await events.next()).value).toEqual({ type: 'lost', id: '' })
    await expect(runtime.version()).rejects.toMatchObject({ code: 'Unavailable' })
    ;({ pid } = await startContainerd(containerd, deps))
    expect((await runtime.containerStatus(id)).state).toBe('running')
    expect((await events.next()).value).toEqual({ type: 'lost', id: '' })
    await runtime.stopContainer(id, 0)
    expect((await events.next()).value).toEqual({ type: 'container-exited', id })
    stop.abort()
    await runtime.removePodSandbox(sandboxId)
  })

  test('killed while it makes sandboxes, it leaves none behind that its successor does not know', async () => {
    const { runtime } = under
    for (const afterMs of [60, 110, 160]) {
      const made = Promise.allSettled([1, 2, 3].map((n) => runtime.runPodSandbox(sandboxConfig(under, `begun-${afterMs}-${n}`))))
      await systemClock.sleep(afterMs)
      process.kill(pid, 'SIGKILL')
      await made
      ;({ pid } = await startContainerd(containerd, deps))
      const known = (await runtime.listPodSandboxes()).map(({ id }) => id)
      const begun = [...(await shimsOf(containerd.runDir)).map(({ id }) => id), ...filesIn(tasksIn(containerd.runDir))]
      expect(begun.filter((id) => !known.includes(id))).toEqual([])
      for (const id of known) await runtime.removePodSandbox(id)
      await vi.waitFor(async () => expect(await shimsOf(containerd.runDir)).toEqual([]), 10_000)
    }
  })

  test('leaves nothing behind, even when it was running', async () => {
    const { runtime } = under
    const config = sandboxConfig(under, 'left')
    const sandboxId = await runtime.runPodSandbox({
      ...config,
      portMappings: [{ protocol: 'TCP', containerPort: 80, hostPort: 21080, hostIp: '' }],
    })
    const id = await runtime.createContainer(sandboxId, containerConfig(under, ['sleep', '1000']), config)
    await runtime.startContainer(id)
    expect((await traces()).length).toBeGreaterThan(5)
    runtime.close()
    await stopContainerd(containerd, deps)
    await removeRuntimeLeftovers({ ...containerd, cgroupRoot }, deps)
    await removePodNetwork(network, deps)
    expect(await traces()).toEqual([])
  })

  test('comes up again on the same data: images are there, dead sandboxes can be removed, addresses are free', async () => {
    await ensurePodNetwork(network, deps)
    await startContainerd(containerd, deps)
    await ensurePauseImage({ ...deps, socket })
    const runtime = connectContainerd({ ...deps, socket })
    try {
      expect(await runtime.imageStatus('web:2')).toBeDefined()
      const dead = await runtime.listPodSandboxes()
      expect(dead.map(({ podName, ready }) => ({ podName, ready }))).toEqual([{ podName: 'left', ready: false }])
      for (const { id } of dead) {
        await runtime.stopPodSandbox(id)
        await runtime.removePodSandbox(id)
      }
      expect(await runtime.listPodSandboxes()).toEqual([])
      expect(await runtime.listContainers()).toEqual([])
      while (!(await runtime.status()).networkReady) await systemClock.sleep(10)
      const config = sandboxConfig(under, 'again')
      const sandboxId = await runtime.runPodSandbox(config)
      expect((await runtime.podSandboxStatus(sandboxId)).ip).toBe('10.211.7.2')
    } finally {
      runtime.close()
    }
  })
})
