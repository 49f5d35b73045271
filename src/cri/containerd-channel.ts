import http2 from 'node:http2'
import net from 'node:net'
import type { Clock } from '../host/clock.ts'
import { type CallOptions, GrpcChannel, GrpcError } from '../host/grpc.ts'
import { RuntimeError } from './runtime.ts'

/** Above what containerd itself sends (16 MiB). */
const maxMessageBytes = 32 * 2 ** 20

/** gRPC on a containerd's socket; failures are {@link RuntimeError}s. */
export class ContainerdChannel {
  readonly #channel: GrpcChannel

  constructor({ socket, clock }: { socket: string; clock: Clock }) {
    const open = () => http2.connect('http://localhost', { createConnection: () => net.connect(socket) })
    this.#channel = new GrpcChannel({ open, peer: socket, clock, maxMessageBytes })
  }

  /** `path` is `/package.Service/Method`; bytes in and out are messages without their frame. */
  unary(path: string, message: Uint8Array, options?: CallOptions): Promise<Uint8Array> {
    return this.#channel.unary(path, message, options).catch(rethrown)
  }

  /** Sends messages one after another and answers the last message that came back. */
  upload(path: string, messages: AsyncIterable<Uint8Array>, options?: CallOptions): Promise<Uint8Array> {
    return this.#channel.upload(path, messages, options).catch(rethrown)
  }

  /** Messages as they come. Throws when the stream breaks; ends with the signal. */
  async *stream(path: string, message: Uint8Array, options: CallOptions & { signal: AbortSignal }): AsyncGenerator<Uint8Array> {
    try {
      yield* this.#channel.stream(path, [message], options)
    } catch (error) {
      rethrown(error)
    }
  }

  close(): void {
    this.#channel.close()
  }
}

function rethrown(error: unknown): never {
  throw error instanceof GrpcError ? new RuntimeError(error.code, error.message, { cause: error.cause }) : error
}
