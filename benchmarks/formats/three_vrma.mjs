// @pixiv/three-vrm-animation: the file drives an avatar of other size. The avatar has the bones of the file, 0.6 times as
// large; the hips' path is scaled by the heights of the hips.
import { frames, load, say, wanted } from './three_wanted.mjs'
import fs from 'node:fs'
import * as THREE from 'three'
import { VRMHumanoid } from '@pixiv/three-vrm'
import { VRMAnimationLoaderPlugin, createVRMAnimationClip } from '@pixiv/three-vrm-animation'

const SIZE = 0.6
const read = await load(parser => new VRMAnimationLoaderPlugin(parser))
const avatar = await load()
const nodes = await avatar.parser.getDependencies('node')
const human = {}
const ours = {} // name of a bone in the file -> bone of the avatar
for (const [bone, { node }] of Object.entries(avatar.parser.json.extensions.VRMC_vrm_animation.humanoid.humanBones)) {
  human[bone] = { node: nodes[node] }
  ours[nodes[node].name] = nodes[node]
  nodes[node].position.multiplyScalar(SIZE)
}
Object.entries(human).forEach(([bone, { node }]) => { node.name = `avatar_${bone}` }) // or tracks would find the raw bones
const root = new THREE.Group()
root.add(avatar.scene)
root.updateMatrixWorld(true)
const humanoid = new VRMHumanoid(human)
root.add(humanoid.normalizedHumanBonesRoot)
const vrm = { scene: root, humanoid, meta: { metaVersion: '1' }, expressionManager: null, lookAt: null }
const clip = createVRMAnimationClip(read.userData.vrmAnimations[0], vrm)
const mixer = new THREE.AnimationMixer(root)
mixer.clipAction(clip).play()
const error = frames(mixer, clip.duration, root, (person, bone) => ours[bone], SIZE, () => humanoid.update())
const version = JSON.parse(fs.readFileSync('node_modules/@pixiv/three-vrm-animation/package.json')).version
say({ version, error_mm: error, fps: (wanted.frames - 1) / clip.duration || wanted.fps, tracks: clip.tracks.length })
