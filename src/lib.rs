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
//!
//! Two floors more than first drawn: registries.conf and auth.json speak of image references, so `config` stands on `oci`; and the rooms
//! that make images and containers all keep them in the store, so `storage` stands below them.
//!
//! # The way of a `run`
//!
//! `cli` resolves flags into a request; `engine` finds or fetches the image, makes the container's directory and forks the **monitor**, which
//! has `runtime` clone the container's first process (**init**) into new namespaces. Side by side then: newuidmap and newgidmap write
//! its maps, init makes the file systems that name no ID, pasta starts on its network namespace. Init becomes root of its user namespace,
//! mounts the overlay and everything else by the descriptor-based mount API, pivots, reports, and executes when the monitor says so. The
//! monitor relays streams, writes the log, records the exit and, with `--rm`, removes what is left.
//!
//! # What lives where, and who locks what
//!
//! `storage` documents the layout. A container lives while its monitor holds the lock in its runtime directory; a state that claims more is
//! stale and heals when it is read. Readers take no locks. An image is shown only after its layers are on disk (one syncfs); names and
//! objects appear by rename or link. `kill -9` of the monitor kills the container with it (parent-death signal).
//!
//! # Speed
//!
//! The start path is synchronous, single-threaded and reads no file it does not need: verbs define their flags when called, a local image
//! needs no registries.conf, the compiled seccomp filter is one read. The program is linked statically and not position-independent, so
//! nothing is relocated or loaded before `main`, and the pages that the monitor keeps to itself are few. What a static program cannot do is
//! load NSS modules: users beyond /etc/passwd are asked of `getent`, host names are resolved by the client library.
//!
//! # Isolation of this program
//!
//! A per-user program belongs to the container's root, seen from the kernel. Until it executes the container's command, a process of ours
//! in the container's namespaces is undumpable and, where the program's file is the user's own, runs from a sealed copy in memory, so that
//! /proc/PID/exe leads nowhere (CVE-2019-5736); every descriptor of ours is closed before a path of the container is resolved.

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
