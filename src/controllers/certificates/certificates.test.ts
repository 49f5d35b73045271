import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CertificateSigningRequest, ClusterTrustBundle, PodCertificateRequest } from '../../api/generated/types.ts'
import { certificateSigningRequests, clusterTrustBundles, podCertificateRequests } from '../../api/registry.ts'
import { parseCertificateRequest } from '../../machinery/certificate-request.ts'
import type { NewObject } from '../../machinery/object.ts'
import { anyCertificate, certificateRequests } from '../../machinery/testing/certificate-requests.ts'
import { ControlPlane } from '../testing/control-plane.ts'
import { signerFault } from './signers.ts'
import { UnsignableRequestError, validityOf } from './signing.ts'
import { bundleNameOf } from './trust-bundle-publisher.ts'

type Asked = keyof typeof certificateRequests
const forClients = ['digital signature', 'client auth']
const hourMs = 3_600_000

describe('a signer', () => {
  test.each<[string, string, Asked, string[], string | undefined]>([
    ['anybody as a client', 'kube-apiserver-client', 'person', ['client auth'], undefined],
    ['no server', 'kube-apiserver-client', 'person', ['client auth', 'server auth'], 'invalid usage for client certificate: server auth'],
    [
      'no client that is none',
      'kube-apiserver-client',
      'person',
      ['digital signature'],
      'missing required usage for client certificate: client auth',
    ],
    ['a kubelet', 'kube-apiserver-client-kubelet', 'kubelet', [...forClients, 'key encipherment'], undefined],
    ['no engineer as a kubelet', 'kube-apiserver-client-kubelet', 'person', forClients, 'subject organization is not system:nodes'],
    ['no kubelet with names', 'kube-apiserver-client-kubelet', 'kubeletServer', forClients, 'DNS subjectAltNames are not allowed'],
    [
      'no kubelet that serves',
      'kube-apiserver-client-kubelet',
      'kubelet',
      ['server auth'],
      'usages did not match [client auth digital signature key encipherment]',
    ],
    ['a serving kubelet', 'kubelet-serving', 'kubeletServer', ['digital signature', 'server auth'], undefined],
    ['none without a name', 'kubelet-serving', 'kubelet', ['digital signature', 'server auth'], 'DNS or IP subjectAltName is required'],
  ])('signs %s', (_, signer, asked, usages, fault) => {
    const request = parseCertificateRequest(certificateRequests[asked])
    expect(request && signerFault(`kubernetes.io/${signer}`, request, usages)).toBe(fault)
  })

  test('gives as long as is asked for, up to a year', () => {
    const lasts = (expirationSeconds?: number): number => {
      const spec = { request: '', signerName: '', ...(expirationSeconds === undefined ? {} : { expirationSeconds }) }
      const { notAfter } = validityOf({ spec } as unknown as CertificateSigningRequest, 0)
      return notAfter / hourMs
    }
    const year = 365 * 24 - 1 / 12
    expect([lasts(60), lasts(7200), lasts(8 * 3600), lasts(10 * 365 * 86_400), lasts()]).toEqual([1 / 6, 2, 8 - 1 / 12, year, year])
  })
})

describe('requests', () => {
  let plane: ControlPlane
  beforeEach(async () => {
    plane = await ControlPlane.start(async ({ usages }) => {
      if (usages.includes('key encipherment')) throw new UnsignableRequestError('not by its own key')
      return anyCertificate
    })
  })
  afterEach(async () => {
    await plane.close()
    expect(plane.errors).toEqual([])
  })
  const requests = () => plane.client.resource<CertificateSigningRequest>(certificateSigningRequests)
  const asking = (asked: Asked, signer: string, usages: string[]): NewObject<CertificateSigningRequest> => ({
    metadata: { name: 'one' },
    spec: { request: Buffer.from(certificateRequests[asked]).toString('base64'), signerName: `kubernetes.io/${signer}`, usages },
  })
  async function make(asked: Asked, signer: string, usages: string[]): Promise<CertificateSigningRequest> {
    const made = await requests().create(asking(asked, signer, usages))
    await plane.rest()
    return made
  }
  async function decide(type: 'Approved' | 'Denied'): Promise<void> {
    const request = await requests().get('one')
    await requests().updateSubresource({ ...request, status: { conditions: [{ type, status: 'True' }] } }, 'approval')
    await plane.rest()
  }
  async function state(): Promise<string[]> {
    const { status } = await requests().get('one')
    return [
      ...(status?.conditions ?? []).map(({ type, message }) => `${type}: ${message ?? ''}`),
      ...(status?.certificate ? ['issued'] : []),
    ]
  }

  test('are signed once they are approved', async () => {
    await make('person', 'kube-apiserver-client', forClients)
    expect(await state()).toEqual([])
    await decide('Approved')
    expect(await state()).toEqual(['Approved: ', 'issued'])
  })

  test('fail with the reason on them', async () => {
    await make('person', 'kubelet-serving', forClients)
    await decide('Approved')
    expect(await state()).toEqual(['Approved: ', 'Failed: subject organization is not system:nodes'])
    await requests().delete('one')
    await make('person', 'kube-apiserver-client', [...forClients, 'key encipherment'])
    await decide('Approved')
    expect(await state()).toEqual(['Approved: ', 'Failed: not by its own key'])
  })

  test('of kubelets are approved where whoever asks may ask', async () => {
    await make('kubelet', 'kube-apiserver-client-kubelet', forClients)
    // Who asks here is an administrator, who may ask for anything.
    expect(await state()).toEqual(['Approved: Auto approving kubelet client certificate after SubjectAccessReview.', 'issued'])
  })

  test('of others wait for somebody', async () => {
    await make('kubeletServer', 'kubelet-serving', ['digital signature', 'server auth'])
    expect(await state()).toEqual([])
  })

  test('go when they have served their purpose', async () => {
    await make('person', 'kube-apiserver-client', forClients)
    await plane.clock.advance(2 * hourMs)
    await decide('Denied')
    await plane.clock.advance(hourMs / 2)
    expect(await state()).toEqual(['Denied: '])
    await plane.clock.advance(hourMs)
    expect((await requests().list()).items).toEqual([])
    await make('person', 'kube-apiserver-client', forClients)
    await plane.clock.advance(25 * hourMs)
    expect((await requests().list()).items).toEqual([])
  })

  test('the authority of the API server is published, alone, and comes back', async () => {
    const bundles = plane.client.resource<ClusterTrustBundle>(clusterTrustBundles)
    const state = async (): Promise<string[][]> =>
      (await bundles.list()).items.map(({ metadata, spec }) => [metadata.name, spec.trustBundle])
    const published = [bundleNameOf(anyCertificate), anyCertificate]
    expect(await state()).toEqual([published])
    const signerName = 'kubernetes.io/kube-apiserver-serving'
    await bundles.delete(published[0] as string)
    await bundles.create({
      metadata: { name: 'kubernetes.io:kube-apiserver-serving:old' },
      spec: { signerName, trustBundle: anyCertificate },
    })
    await plane.rest()
    expect(await state()).toEqual([published])
  })

  test('of pods go after a quarter of an hour', async () => {
    const pods = plane.client.resource<PodCertificateRequest>(podCertificateRequests, 'default')
    const spec = {
      signerName: 'example.com/pods',
      ...{ podName: 'web', podUID: 'u1', serviceAccountName: 'web', serviceAccountUID: 'u2', nodeName: 'n1', nodeUID: 'u3' },
      maxExpirationSeconds: 3600,
      stubPKCS10Request: 'MAA=',
    }
    await pods.create({ metadata: { name: 'web' }, spec } as unknown as NewObject<PodCertificateRequest>)
    await plane.clock.advance((hourMs / 60) * 14)
    expect((await pods.list()).items).toHaveLength(1)
    await plane.clock.advance((hourMs / 60) * 2)
    expect((await pods.list()).items).toEqual([])
  })
})
