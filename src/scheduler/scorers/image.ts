import type { Scorer } from '../scorer.ts'

const mebibyte = 2 ** 20
/** Below this a pull costs next to nothing; from 1000 MiB a container on, more makes no difference. */
const floorBytes = 23 * mebibyte
const ceilingBytesEach = 1000 * mebibyte

/** Nodes that have the pod's images already are better, the larger the images; images that few nodes have count less, so that no node heats up. */
export const imageScorer: Scorer = {
  name: 'ImageLocality',
  weight: 1,
  score(pod, nodes, view) {
    const wanted = [...(pod.spec.initContainers ?? []), ...pod.spec.containers].map(({ image }) => fullName(image ?? ''))
    const sizes = view.nodes.map(({ node }) => imageSizes(node.status?.images))
    const spreadOf = (image: string): number => sizes.filter((size) => size.has(image)).length / view.nodes.length
    const ceiling = ceilingBytesEach * wanted.length
    return nodes.map(({ node }) => {
      const here = imageSizes(node.status?.images)
      const bytes = wanted.reduce((sum, image) => sum + (here.get(image) ?? 0) * spreadOf(image), 0)
      return (100 * (Math.min(Math.max(bytes, floorBytes), ceiling) - floorBytes)) / (ceiling - floorBytes)
    })
  },
}

function imageSizes(images: readonly { names?: readonly string[]; sizeBytes?: number }[] | undefined): Map<string, number> {
  return new Map((images ?? []).flatMap(({ names = [], sizeBytes = 0 }) => names.map((name): [string, number] => [name, sizeBytes])))
}

/** Without a tag it is `latest` that is meant. */
function fullName(image: string): string {
  return image.lastIndexOf(':') <= image.lastIndexOf('/') ? `${image}:latest` : image
}
