import { expect, test } from 'vitest'
import { certificateIn, pemBlocks } from './pem.ts'
import { anyCertificate, certificateRequests } from './testing/certificate-requests.ts'

const labels = (text: string): string[] => pemBlocks(text).map(({ label }) => label)

test('blocks are found among other text, in order', () => {
  const text = `issued by hand\n${anyCertificate}-- \n${certificateRequests.person}the end`
  expect(labels(text)).toEqual(['CERTIFICATE', 'CERTIFICATE REQUEST'])
  expect(pemBlocks(text).map((block) => certificateIn(block)?.subject)).toEqual(['CN=test', undefined])
})

test('one that does not end, or ends as another, is none, and hides none', () => {
  const cut = anyCertificate.replace('-----END CERTIFICATE-----', '')
  expect(labels(cut)).toEqual([])
  expect(labels(`${cut}${anyCertificate}`)).toEqual(['CERTIFICATE'])
  expect(labels(anyCertificate.replace('END CERTIFICATE', 'END KEY'))).toEqual([])
})

test('headers are seen', () => {
  const [block] = pemBlocks(anyCertificate.replace('\n', '\nProc-Type: 4,ENCRYPTED\n\n'))
  expect(block?.hasHeaders).toBe(true)
  expect(pemBlocks(anyCertificate)[0]?.hasHeaders).toBe(false)
})

test('megabytes of beginnings take no time', () => {
  const startedMs = performance.now()
  expect(labels('-----BEGIN A-----'.repeat(200_000))).toEqual([])
  expect(performance.now() - startedMs).toBeLessThan(1_000)
})
