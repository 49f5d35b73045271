import type { Scorer } from '../scorer.ts'
import { balancedScorer } from './balanced.ts'
import { imageScorer } from './image.ts'
import { leastAllocatedScorer } from './least-allocated.ts'
import { nodeAffinityScorer } from './node-affinity.ts'
import { podAffinityScorer } from './pod-affinity.ts'
import { spreadScorer } from './spread.ts'
import { taintsScorer } from './taints.ts'

/** Weights are upstream's: what the user asked for counts more than what keeps nodes evenly used. */
export const scorers: readonly Scorer[] = [
  taintsScorer,
  nodeAffinityScorer,
  spreadScorer,
  podAffinityScorer,
  leastAllocatedScorer,
  balancedScorer,
  imageScorer,
]
