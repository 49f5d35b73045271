import { nftKernelContract } from './kernel-contract.ts'
import { FakeNftables } from './testing/fake-nftables.ts'

nftKernelContract('fake', async () => {
  const fake = new FakeNftables()
  return { kernel: fake.open(), other: fake.open(), close: async () => undefined }
})
