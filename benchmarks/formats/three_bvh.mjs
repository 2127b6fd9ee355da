// three.js BVHLoader: bones in the world as the clip plays, centimetres.
import { file, frames, say, wanted } from './three_wanted.mjs'
import fs from 'node:fs'
import * as THREE from 'three'
import { BVHLoader } from 'three/addons/loaders/BVHLoader.js'

const { skeleton, clip } = new BVHLoader().parse(fs.readFileSync(file, 'utf8'))
const root = new THREE.Group()
root.scale.setScalar(0.01)
root.add(skeleton.bones[0])
const mixer = new THREE.AnimationMixer(skeleton.bones[0])
mixer.clipAction(clip).play()
const error = frames(mixer, clip.duration, root, (person, bone) => root.getObjectByName(bone))
say({ version: THREE.REVISION, error_mm: error, fps: (wanted.frames - 1) / clip.duration || wanted.fps })
