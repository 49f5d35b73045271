import { createHash } from 'node:crypto'
import { normaliseImageName } from './image/reference.ts'
import { type Image, RuntimeError } from './runtime.ts'

export interface FakeImage {
  name: string
  /** Default entrypoint and arguments; the default runs until it is stopped. */
  command?: string[]
  user?: { uid?: number; username?: string }
  sizeBytes?: number
}

/** The images of a fake node, and the registry that it pulls from. */
export class FakeImages {
  readonly #byTag = new Map<string, { image: Image; command: string[] }>()
  readonly #published = new Map<string, FakeImage>()

  add(image: string | FakeImage): void {
    const { name, command = ['run'], user = {}, sizeBytes = 1_000_000 } = typeof image === 'string' ? { name: image } : image
    const tag = normaliseImageName(name)
    const id = `sha256:${createHash('sha256').update(tag).digest('hex')}`
    const digests = [`${tag.replace(/:[^/:]*$/, '')}@${id}`]
    this.#byTag.set(tag, { image: { id, tags: [tag], digests, sizeBytes, user }, command })
  }

  publish(image: string | FakeImage): void {
    const fake = typeof image === 'string' ? { name: image } : image
    this.#published.set(normaliseImageName(fake.name), fake)
  }

  pull(reference: string): void {
    const name = normaliseImageName(reference)
    const published = this.#published.get(name)
    if (!published) {
      throw new RuntimeError(
        'NotFound',
        `failed to pull and unpack image "${name}": failed to resolve reference "${name}": ${name}: not found`,
      )
    }
    this.add(published)
  }

  /** By tag, digest or id. */
  find(reference: string): { image: Image; command: string[] } | undefined {
    const tag = normaliseImageName(reference)
    return this.#byTag.get(tag) ?? this.#all().find(({ image }) => image.id === reference || image.digests.includes(tag))
  }

  list(): Image[] {
    return this.#all().map(({ image }) => structuredClone(image))
  }

  remove(reference: string): void {
    for (const tag of this.find(reference)?.image.tags ?? []) this.#byTag.delete(tag)
  }

  #all(): { image: Image; command: string[] }[] {
    return [...this.#byTag.values()]
  }
}
