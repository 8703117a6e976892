//! dulse: containers for one user, without root and without a daemon.
//!
//! # The rooms, in floor order
//!
//! Imports go downward only; rooms on one floor do not import each other (`tests/layering.rs` holds it). `unsafe` lives in
//! [`sys`] alone, only [`cli`] prints, only [`engine`] decides what is written to the store.
//!
//! | floor | room | what it is |
//! |---|---|---|
//! | 0 | [`sys`] | the kernel, safe and descriptor-based |
//! | 1 | [`oci`] | reference, digest, descriptor, manifest, image configuration |
//! | 2 | [`config`] | XDG paths, containers.conf, registries.conf, auth.json |
//! | 3 | [`userns`] | subuid ranges, ID maps, newuidmap |
//! |   | [`seccomp`] | profile to filter, cache |
//! |   | [`registry`] | distribution client |
//! |   | [`network`] | pasta, slirp4netns, ports, hosts and resolv.conf |
//! |   | [`term`] | raw mode, detach keys, window size |
//! | 4 | [`storage`] | layers, images, containers and volumes on disk |
//! | 5 | [`image`] | pull, transports, short names |
//! |   | [`spec`] | container configuration to runtime specification |
//! |   | [`runtime`] | the OCI runtime |
//! |   | [`monitor`] | stdio, logs, exit, attach, restart |
//! | 6 | [`engine`] | container, image, volume, events: what the commands mean |
//! | 7 | [`cli`] | one file per verb, output, templates |

#![warn(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

pub mod sys;

pub mod oci;

pub mod config;

pub mod network;
pub mod registry;
pub mod seccomp;
pub mod term;
pub mod userns;

pub mod storage;

pub mod image;
pub mod monitor;
pub mod runtime;
pub mod spec;

pub mod engine;

pub mod cli;
