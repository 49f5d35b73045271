import { VirtualClock } from '../host/virtual-clock.ts'
import { MemoryStore } from './memory-store.ts'
import { storeContract } from './store-contract.ts'

const clock = new VirtualClock()
storeContract(
  'memory',
  async (options) => new MemoryStore({ ...options, clock }),
  (milliseconds) => clock.advance(milliseconds),
)
