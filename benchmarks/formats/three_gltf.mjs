// three.js GLTFLoader: bones of every person in the world as the first animation plays.
import { frames, load, say, wanted } from './three_wanted.mjs'
import * as THREE from 'three'

const { scene, animations } = await load()
const mixer = new THREE.AnimationMixer(scene)
mixer.clipAction(animations[0]).play()
const error = frames(mixer, animations[0].duration, scene, (person, bone) => scene.getObjectByName(bone))
say({ version: THREE.REVISION, error_mm: error, fps: (wanted.frames - 1) / animations[0].duration || wanted.fps })
