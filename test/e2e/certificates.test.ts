import 'reflect-metadata'
import { createHash, createHmac } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as x509 from '@peculiar/x509'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestCluster } from './harness/cluster.ts'
import { eventually, type Outcome, run } from './harness/command.ts'

let cluster: TestCluster

beforeAll(async () => {
  cluster = await TestCluster.start('certificates')
})
afterAll(async () => {
  await cluster?.remove()
})

interface Asked {
  readonly subject: string
  readonly signer?: string
  readonly usages?: readonly string[]
  readonly seconds?: number
  readonly dnsName?: string
}

/** A new key, and the manifest of a request for its certificate. Answers where the key lies. */
async function ask(name: string, { subject, signer = 'kube-apiserver-client', usages = ['client auth'], seconds, dnsName }: Asked) {
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: subject,
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: dnsName === undefined ? [] : [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: dnsName }])],
  })
  const spec = {
    request: Buffer.from(`${request.toString('pem')}\n`).toString('base64'),
    signerName: `kubernetes.io/${signer}`,
    usages,
    ...(seconds === undefined ? {} : { expirationSeconds: seconds }),
  }
  const keyFile = join(cluster.folder, `${name}.key`)
  writeFileSync(keyFile, x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY'))
  const manifest = { apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name }, spec }
  return { keyFile, manifest: JSON.stringify(manifest) }
}

const conditionOf = async (name: string): Promise<string> =>
  (await cluster.must(['get', 'csr', name, '--no-headers'])).trim().split(/ +/).at(-1) as string

async function issued(name: string): Promise<string> {
  return eventually(async () => {
    const text = await cluster.must(['get', 'csr', name, '-o', 'jsonpath={.status.certificate}'])
    expect(text).not.toBe('')
    return Buffer.from(text, 'base64').toString()
  })
}

/** kubectl by a key and its certificate, with none of the administrator's credentials. */
async function withCertificate(name: string, keyFile: string, certificate: string, args: readonly string[]): Promise<Outcome> {
  const certificateFile = join(cluster.folder, `${name}.crt`)
  writeFileSync(certificateFile, certificate)
  const server = (await cluster.must(['config', 'view', '-o', 'jsonpath={.clusters[0].cluster.server}'])).trim()
  const ca = join(cluster.dataDir, 'pki', 'ca.crt')
  const credentials = ['--certificate-authority', ca, '--client-certificate', certificateFile, '--client-key', keyFile]
  return run(cluster.programs.kubectl, ['--kubeconfig', '/dev/null', '--server', server, ...credentials, ...args], {
    env: { HOME: cluster.folder },
  })
}

describe('a certificate', () => {
  it('is asked for, approved, signed, and lets its holder in', async () => {
    const { keyFile, manifest } = await ask('jane', {
      subject: 'CN=jane, O=devs',
      usages: ['client auth', 'digital signature'],
      seconds: 3600,
    })
    await cluster.apply(manifest)
    expect(await cluster.must(['get', 'csr', 'jane', '--no-headers'])).toMatch(
      /^jane +\d+s +kubernetes.io\/kube-apiserver-client +kubernetes-admin +60m +Pending\n$/,
    )
    expect(await cluster.must(['certificate', 'approve', 'jane'])).toBe('certificatesigningrequest.certificates.k8s.io/jane approved\n')
    const certificate = await issued('jane')
    expect(await conditionOf('jane')).toBe('Approved,Issued')
    const { notBefore, notAfter } = new x509.X509Certificate(certificate)
    expect((notAfter.getTime() - notBefore.getTime()) / 60_000).toBe(65)
    const who = await withCertificate('jane', keyFile, certificate, ['auth', 'whoami', '-o', 'json'])
    const { userInfo } = (JSON.parse(who.stdout) as { status: { userInfo: { username: string; groups: string[]; extra: object } } }).status
    expect(userInfo).toMatchObject({ username: 'jane', groups: ['devs', 'system:authenticated'] })
    const digest = createHash('sha256')
      .update(new Uint8Array(new x509.X509Certificate(certificate).rawData))
      .digest('hex')
    expect(userInfo.extra).toEqual({ 'authentication.kubernetes.io/credential-id': [`X509SHA256=${digest}`] })
    expect((await withCertificate('jane', keyFile, certificate, ['get', 'pods'])).stderr).toMatch(/User "jane" cannot list resource "pods"/)
    await cluster.must(['create', 'rolebinding', 'devs', '--clusterrole=view', '--group=devs'])
    expect((await withCertificate('jane', keyFile, certificate, ['get', 'pods'])).stderr).toBe('No resources found in default namespace.\n')
  })

  it('is denied, and stays so', async () => {
    await cluster.apply((await ask('joe', { subject: 'CN=joe' })).manifest)
    expect(await cluster.must(['certificate', 'deny', 'joe'])).toBe('certificatesigningrequest.certificates.k8s.io/joe denied\n')
    expect(await conditionOf('joe')).toBe('Denied')
    expect((await cluster.kubectl(['certificate', 'approve', 'joe'])).stderr).toMatch(/"joe" is already Denied/)
    expect(await cluster.must(['describe', 'csr', 'joe'])).toMatch(/Common Name: +joe/)
  })

  it('is signed only as its signer insists, and for nobody as an administrator', async () => {
    await cluster.apply((await ask('server', { subject: 'CN=web', usages: ['server auth'] })).manifest)
    await cluster.must(['certificate', 'approve', 'server'])
    await eventually(async () => expect(await conditionOf('server')).toBe('Approved,Failed'))
    expect(await cluster.must(['get', 'csr', 'server', '-o', 'jsonpath={.status.conditions[?(@.type=="Failed")].message}'])).toBe(
      'invalid usage for client certificate: server auth',
    )
    const master = await cluster.kubectl(['create', '-f', '-'], {
      input: (await ask('eve', { subject: 'CN=eve, O=system:masters' })).manifest,
    })
    expect(master.stderr).toContain('use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed')
  })

  it("is approved for a kubelet's client without anybody looking, where it holds the right to one", async () => {
    const usages = ['digital signature', 'client auth']
    const node = { subject: 'CN=system:node:n9, O=system:nodes', signer: 'kube-apiserver-client-kubelet', usages }
    const { keyFile, manifest } = await ask('node', node)
    await cluster.must(['create', 'clusterrolebinding', 'joins', '--user=joiner', '--clusterrole=system:node-bootstrapper'])
    await cluster.must(['create', '-f', '-', '--as=joiner'], { input: manifest })
    expect(await conditionOf('node')).toBe('Pending')
    const role = 'system:certificates.k8s.io:certificatesigningrequests:nodeclient'
    await cluster.must(['create', 'clusterrolebinding', 'joins-itself', '--user=joiner', `--clusterrole=${role}`])
    const certificate = await issued('node')
    const who = await withCertificate('node', keyFile, certificate, ['auth', 'whoami', '-o', 'jsonpath={.status.userInfo.groups}'])
    expect(who.stdout).toBe('["system:nodes","system:authenticated"]')
  })

  it('comes to whoever holds a bootstrap token, to join as a node', async () => {
    const fields = [
      'token-id=abcdef',
      'token-secret=0123456789abcdef',
      'usage-bootstrap-authentication=true',
      'usage-bootstrap-signing=true',
    ]
    const group = 'system:bootstrappers:workers'
    const literals = [...fields, `auth-extra-groups=${group}`].map((field) => `--from-literal=${field}`)
    const type = '--type=bootstrap.kubernetes.io/token'
    await cluster.must(['create', 'secret', 'generic', 'bootstrap-token-abcdef', '-n', 'kube-system', type, ...literals])
    const nodeClient = 'system:certificates.k8s.io:certificatesigningrequests:nodeclient'
    for (const role of ['system:node-bootstrapper', nodeClient]) {
      await cluster.must(['create', 'clusterrolebinding', `workers-${role.length}`, `--group=${group}`, `--clusterrole=${role}`])
    }
    const signed = await eventually(async () => {
      const { data } = await cluster.json<{ data: Record<string, string> }>(['get', 'configmap', 'cluster-info', '-n', 'kube-public'])
      expect(data['jws-kubeconfig-abcdef']).toMatch(/^[\w-]+\.\.[\w-]+$/)
      return data as { kubeconfig: string; 'jws-kubeconfig-abcdef': string }
    })
    const [header, , signature] = signed['jws-kubeconfig-abcdef'].split('.')
    const content = `${header}.${Buffer.from(signed.kubeconfig).toString('base64url')}`
    expect(createHmac('sha256', '0123456789abcdef').update(content).digest('base64url')).toBe(signature)
    const usages = ['digital signature', 'client auth']
    const { keyFile, manifest } = await ask('joining', {
      subject: 'CN=system:node:n10, O=system:nodes',
      signer: 'kube-apiserver-client-kubelet',
      usages,
    })
    // What was signed leads to the cluster.
    const kubeconfig = join(cluster.folder, 'cluster-info.kubeconfig')
    writeFileSync(kubeconfig, signed.kubeconfig.replace('contexts: []', 'contexts: [{name: join, context: {cluster: ""}}]'))
    const made = await run(
      cluster.programs.kubectl,
      ['--kubeconfig', kubeconfig, '--context', 'join', '--token', 'abcdef.0123456789abcdef', 'create', '-f', '-'],
      { env: { HOME: cluster.folder }, input: manifest },
    )
    expect(made).toMatchObject({ code: 0, stderr: '' })
    expect(await cluster.must(['get', 'csr', 'joining', '-o', 'jsonpath={.spec.username}'])).toBe('system:bootstrap:abcdef')
    const who = await withCertificate('joining', keyFile, await issued('joining'), [
      'auth',
      'whoami',
      '-o',
      'jsonpath={.status.userInfo.username}',
    ])
    expect(who.stdout).toBe('system:node:n10')
  })

  it('is not approved by whoever lacks the verb on its signer', async () => {
    await cluster.apply((await ask('jim', { subject: 'CN=jim' })).manifest)
    const writes = ['--verb=get,list,update,patch', '--resource=certificatesigningrequests,certificatesigningrequests/approval']
    await cluster.must(['create', 'clusterrole', 'csr-writer', ...writes])
    await cluster.must(['create', 'clusterrolebinding', 'csr-writer', '--clusterrole=csr-writer', '--user=clerk'])
    expect((await cluster.kubectl(['certificate', 'approve', 'jim', '--as=clerk'])).stderr).toContain(
      'user not permitted to approve requests with signerName "kubernetes.io/kube-apiserver-client"',
    )
    const role = 'system:certificates.k8s.io:kube-apiserver-client-approver'
    await cluster.must(['create', 'clusterrolebinding', 'csr-approver', `--clusterrole=${role}`, '--user=clerk'])
    await cluster.must(['certificate', 'approve', 'jim', '--as=clerk'])
    await issued('jim')
  })

  it('for serving lets nobody in as a client', async () => {
    const usages = ['digital signature', 'server auth']
    const node = { subject: 'CN=system:node:n11, O=system:nodes', signer: 'kubelet-serving', usages, dnsName: 'n11' }
    const { keyFile, manifest } = await ask('serving', node)
    await cluster.apply(manifest)
    await cluster.must(['certificate', 'approve', 'serving'])
    const certificate = await issued('serving')
    expect(new x509.X509Certificate(certificate).getExtension(x509.SubjectAlternativeNameExtension)?.names.items[0]?.value).toBe('n11')
    const who = await withCertificate('serving', keyFile, certificate, ['auth', 'whoami'])
    expect(who.stderr).toMatch(/Unauthorized|must be logged in/)
  })
})
