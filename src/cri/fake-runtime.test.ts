import { expect, test } from 'vitest'
import { systemClock } from '../host/clock.ts'
import { FakeRuntime } from './fake-runtime.ts'
import { RuntimeError } from './runtime.ts'
import { containerConfig, runtimeContract, sandboxConfig } from './runtime-contract.ts'

const runtime = new FakeRuntime({ clock: systemClock, images: ['busybox'] })
const under = { runtime, image: 'busybox', logDirectory: '/nowhere/logs', cgroupParent: '/fake' }
runtimeContract('fake', () => under)

test('a planned fault happens once', async () => {
  runtime.failNext('runPodSandbox', new RuntimeError('Unknown', 'no network'))
  await expect(runtime.runPodSandbox(sandboxConfig(under))).rejects.toThrow('no network')
  await runtime.removePodSandbox(await runtime.runPodSandbox(sandboxConfig(under)))
})

test('a pull brings only what is published', async () => {
  await expect(runtime.pullImage('web:1')).rejects.toMatchObject({ code: 'NotFound' })
  runtime.publishImage('web:1')
  expect(await runtime.pullImage('web:1')).toEqual({ imageRef: (await runtime.imageStatus('docker.io/library/web:1'))?.id })
})

test('a kill for memory is told apart', async () => {
  const config = sandboxConfig(under)
  const sandboxId = await runtime.runPodSandbox(config)
  const id = await runtime.createContainer(sandboxId, containerConfig(under, []), config)
  await runtime.startContainer(id)
  runtime.killForMemory(id)
  expect(await runtime.containerStatus(id)).toMatchObject({ exitCode: 137, reason: 'OOMKilled' })
})
