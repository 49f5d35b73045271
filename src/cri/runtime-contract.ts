import { describe, expect, test } from 'vitest'
import { type ContainerConfig, type ContainerRuntime, RuntimeError, type RuntimeEvent, type SandboxConfig } from './runtime.ts'

/** A runtime to be judged, with an image that has a shell. */
export interface RuntimeUnderTest {
  runtime: ContainerRuntime
  image: string
  /** A folder for pods' logs. */
  logDirectory: string
  cgroupParent: string
}

let serial = 0

export function sandboxConfig(under: RuntimeUnderTest, podName = `pod-${++serial}`): SandboxConfig {
  return {
    ...{ podName, podNamespace: 'default', podUid: `uid-of-${podName}`, attempt: 0, hostname: podName },
    ...{ logDirectory: `${under.logDirectory}/${podName}`, cgroupParent: `${under.cgroupParent}/${podName}` },
    dns: { servers: ['10.96.0.10'], searches: ['default.svc.cluster.local'], options: ['ndots:5'] },
    ...{ portMappings: [], labels: { app: 'web' }, annotations: { note: 'a' }, sysctls: {} },
    ...{ hostNetwork: false, hostPid: false, hostIpc: false, shareProcessNamespace: false },
    securityContext: { supplementalGroups: [], privileged: false, readonlyRootfs: false },
  }
}

export function containerConfig(under: RuntimeUnderTest, command: string[], name = 'main'): ContainerConfig {
  return {
    ...{ name, attempt: 0, image: under.image, command, args: [], workingDir: '', env: [], mounts: [] },
    ...{ labels: { part: 'one' }, annotations: {}, logPath: `${name}.log`, stdin: false, stdinOnce: false, tty: false },
    resources: { cpuPeriod: 0, cpuQuota: 0, cpuShares: 2, memoryLimitBytes: 0, oomScoreAdj: 1000 },
    securityContext: {
      ...{ supplementalGroups: [], privileged: false, readonlyRootfs: false },
      ...{ addCapabilities: [], dropCapabilities: [], noNewPrivileges: false, seccomp: 'RuntimeDefault' },
    },
    ...{ pidNamespace: 'container', hostNetwork: false, hostIpc: false },
  }
}

const runs = ['sh', '-c', "trap 'exit 0' TERM; while true; do sleep 0.1; done"]

/** What every runtime must do; run against containerd and against the fake. */
export function runtimeContract(name: string, get: () => RuntimeUnderTest): void {
  async function started(command: string[]): Promise<{ sandboxId: string; id: string; config: SandboxConfig }> {
    const under = get()
    const config = sandboxConfig(under)
    const sandboxId = await under.runtime.runPodSandbox(config)
    const id = await under.runtime.createContainer(sandboxId, containerConfig(under, command), config)
    await under.runtime.startContainer(id)
    return { sandboxId, id, config }
  }
  const gone = async (sandboxId: string): Promise<void> => {
    await get().runtime.stopPodSandbox(sandboxId)
    await get().runtime.removePodSandbox(sandboxId)
  }
  async function exited(id: string): Promise<Awaited<ReturnType<ContainerRuntime['containerStatus']>>> {
    for (;;) {
      const status = await get().runtime.containerStatus(id)
      if (status.state === 'exited') return status
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  describe(`${name}: container runtime contract`, () => {
    test('a sandbox is run by what it asks for, and by nothing else', async () => {
      const { runtime } = get()
      const config = sandboxConfig(get())
      await expect(runtime.runPodSandbox(config, 'nobody')).rejects.toThrow('no runtime for "nobody" is configured')
      await gone(await runtime.runPodSandbox(config, 'runc'))
    })

    test('a sandbox has an address and is found by its pod', async () => {
      const { runtime } = get()
      const config = sandboxConfig(get())
      const id = await runtime.runPodSandbox(config)
      const status = await runtime.podSandboxStatus(id)
      expect(status).toMatchObject({ id, podName: config.podName, podNamespace: 'default', podUid: config.podUid, ready: true, attempt: 0 })
      expect(status.ip).toMatch(/^\d+\.\d+\.\d+\.\d+$/)
      expect(status.labels).toMatchObject({ app: 'web' })
      expect(status.annotations).toEqual({ note: 'a' })
      expect((await runtime.listPodSandboxes({ podUid: config.podUid })).map((one) => one.id)).toEqual([id])
      expect(await runtime.listPodSandboxes({ podUid: 'nobody' })).toEqual([])
      await runtime.stopPodSandbox(id)
      expect((await runtime.podSandboxStatus(id)).ready).toBe(false)
      await runtime.removePodSandbox(id)
      await expect(runtime.podSandboxStatus(id)).rejects.toMatchObject({ code: 'NotFound' })
    })

    test('a container is created, runs, and is stopped by its signal', async () => {
      const { runtime, image } = get()
      const config = sandboxConfig(get())
      const sandboxId = await runtime.runPodSandbox(config)
      const id = await runtime.createContainer(sandboxId, containerConfig(get(), runs), config)
      expect(await runtime.containerStatus(id)).toMatchObject({ state: 'created', startedAt: 0, finishedAt: 0, sandboxId })
      await runtime.startContainer(id)
      const running = await runtime.containerStatus(id)
      expect(running).toMatchObject({
        id,
        name: 'main',
        attempt: 0,
        state: 'running',
        image: `docker.io/library/${image}:latest`,
        finishedAt: 0,
      })
      expect(running.startedAt).toBeGreaterThanOrEqual(running.createdAt)
      expect(running.logPath).toBe(`${config.logDirectory}/main.log`)
      const listed = await runtime.listContainers({ podUid: config.podUid })
      expect(listed).toMatchObject([{ id, sandboxId, state: 'running', labels: { part: 'one' } }])
      await runtime.stopContainer(id, 10)
      expect(await runtime.containerStatus(id)).toMatchObject({ state: 'exited', exitCode: 0, reason: 'Completed' })
      await runtime.removeContainer(id)
      await expect(runtime.containerStatus(id)).rejects.toMatchObject({ code: 'NotFound' })
      await gone(sandboxId)
    })

    test('what takes no notice of the signal is killed after its time', async () => {
      const { sandboxId, id } = await started(['sh', '-c', "trap '' TERM; while true; do sleep 0.1; done"])
      await get().runtime.stopContainer(id, 1)
      expect(await get().runtime.containerStatus(id)).toMatchObject({ state: 'exited', exitCode: 137, reason: 'Error' })
      await gone(sandboxId)
    })

    test('the exit code is the process’', async () => {
      const { sandboxId, id } = await started(['sh', '-c', 'echo bye; exit 3'])
      expect(await exited(id)).toMatchObject({ exitCode: 3, reason: 'Error' })
      await gone(sandboxId)
    })

    test('a command that is not there is a start error', async () => {
      const { runtime } = get()
      const config = sandboxConfig(get())
      const sandboxId = await runtime.runPodSandbox(config)
      const id = await runtime.createContainer(sandboxId, containerConfig(get(), ['nope']), config)
      await expect(runtime.startContainer(id)).rejects.toThrow(/executable file not found in \$PATH/)
      expect(await runtime.containerStatus(id)).toMatchObject({ state: 'exited', exitCode: 128, reason: 'StartError' })
      await gone(sandboxId)
    })

    test('an image that is not there', async () => {
      const { runtime } = get()
      expect(await runtime.imageStatus('not-there')).toBeUndefined()
      const config = sandboxConfig(get())
      const sandboxId = await runtime.runPodSandbox(config)
      const container = { ...containerConfig(get(), runs), image: 'not-there' }
      await expect(runtime.createContainer(sandboxId, container, config)).rejects.toMatchObject({ code: 'NotFound' })
      await gone(sandboxId)
    })

    test('an image is found under its short name', async () => {
      const { runtime, image } = get()
      const found = await runtime.imageStatus(image)
      expect(found?.tags).toEqual([`docker.io/library/${image}:latest`])
      expect(found?.id).toMatch(/^sha256:[0-9a-f]{64}$/)
      expect((await runtime.listImages()).map(({ id }) => id)).toContain(found?.id)
    })

    test('commands run in a container', async () => {
      const { runtime } = get()
      const { sandboxId, id } = await started(runs)
      const good = await runtime.execSync(id, ['echo', 'hello'], 10)
      expect({ ...good, stdout: Buffer.from(good.stdout).toString() }).toMatchObject({ exitCode: 0, stdout: 'hello\n' })
      const bad = await runtime.execSync(id, ['sh', '-c', 'echo oops >&2; exit 4'], 10)
      expect({ ...bad, stderr: Buffer.from(bad.stderr).toString() }).toMatchObject({ exitCode: 4, stderr: 'oops\n' })
      await expect(runtime.execSync(id, ['sleep', '20'], 1)).rejects.toMatchObject({ code: 'DeadlineExceeded' })
      expect((await runtime.exec({ containerId: id, command: ['sh'], stdin: true, stdout: true, stderr: true, tty: false })).url).toMatch(
        /^http:\/\/127\.0\.0\.1:\d+\//,
      )
      await runtime.stopContainer(id, 0)
      await expect(runtime.execSync(id, ['echo'], 10)).rejects.toBeInstanceOf(RuntimeError)
      await gone(sandboxId)
    })

    test('removing a sandbox removes its containers', async () => {
      const { runtime } = get()
      const { sandboxId, id, config } = await started(runs)
      await runtime.removePodSandbox(sandboxId)
      expect(await runtime.listContainers({ podUid: config.podUid })).toEqual([])
      await expect(runtime.containerStatus(id)).rejects.toMatchObject({ code: 'NotFound' })
    })

    test('what is gone can be stopped and removed again', async () => {
      const { runtime } = get()
      await runtime.stopContainer('gone', 1)
      await runtime.removeContainer('gone')
      await runtime.stopPodSandbox('gone')
      await runtime.removePodSandbox('gone')
      await runtime.removeImage('not-there')
    })

    test('events tell of starts and exits, and an exit is visible by then', async () => {
      const { runtime } = get()
      const stop = new AbortController()
      const seen: RuntimeEvent[] = []
      let id = ''
      const stateAtExit: string[] = []
      const reading = (async () => {
        for await (const event of runtime.events(stop.signal)) {
          seen.push(event)
          if (event.type === 'container-exited' && event.id === id) stateAtExit.push((await runtime.containerStatus(id)).state)
          if (event.type === 'container-removed' && event.id === id) return
        }
      })()
      await new Promise((resolve) => setTimeout(resolve, 100))
      const pod = await started(runs)
      id = pod.id
      await runtime.execSync(id, ['true'], 5)
      await runtime.stopContainer(id, 5)
      await new Promise((resolve) => setTimeout(resolve, 50))
      await runtime.removeContainer(id)
      await reading
      stop.abort()
      const ofContainer = seen.filter((event) => event.id === id).map(({ type }) => type)
      expect(ofContainer).toEqual(['container-started', 'container-exited', 'container-removed'])
      expect(stateAtExit).toEqual(['exited'])
      expect(seen).toContainEqual({ type: 'container-started', id: pod.sandboxId })
      await gone(pod.sandboxId)
    })

    test('events end with their signal', async () => {
      const stop = new AbortController()
      const reading = (async () => {
        for await (const _ of get().runtime.events(stop.signal));
      })()
      stop.abort()
      await reading
    })

    test('resources can be changed while it runs', async () => {
      const { runtime } = get()
      const { sandboxId, id } = await started(runs)
      await runtime.updateContainerResources(id, {
        cpuPeriod: 100_000,
        cpuQuota: 50_000,
        cpuShares: 512,
        memoryLimitBytes: 64 * 2 ** 20,
        oomScoreAdj: 0,
      })
      const stats = await runtime.containerStats(id)
      expect(stats.id).toBe(id)
      expect(stats.memoryWorkingSetBytes).toBeGreaterThan(0)
      await gone(sandboxId)
    })
  })
}
