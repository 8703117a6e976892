//! Flags over image: the configuration of a container from what was asked for and what its image says. Nothing is read or written.

use super::image::Defaults;
use super::request::{CreateRequest, EnvironmentRequest};
use crate::engine::Error;
use crate::spec::environment::{Environment, PROXY};
use crate::spec::{self, signal};
use crate::storage::{ContainerConfig, Mount, MountKind, Namespace, Systemd};

/// podman's default PATH.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const SIGTERM: i32 = 15;
/// systemd's signal for an orderly shutdown, SIGRTMIN+3.
const SIGRTMIN_3: i32 = 37;

/// Fills in `request.config` and gives it back. `host` is the environment of this process; ID map, mounts of volumes and the
/// container's ID are not decided here.
pub fn merge(mut request: CreateRequest, image: &Defaults, host: &[(String, String)]) -> Result<ContainerConfig, Error> {
    let mut config = std::mem::take(&mut request.config);
    command(&mut config, &mut request, image);
    systemd(&mut config);
    environment(&mut config, &request.environment, image, host)?;
    config.process.workdir_set = request.workdir.is_some();
    config.process.workdir = request.workdir.unwrap_or_else(|| image.working_dir.clone());
    if config.process.workdir.is_empty() {
        config.process.workdir = "/".into();
    }
    if config.process.user.is_empty() {
        config.process.user = request.user.unwrap_or_else(|| image.user.clone());
    }
    config.labels = image.labels.clone().unwrap_or_default();
    config.labels.extend(request.labels);
    config.stop_signal = match request.stop_signal {
        Some(signal) => signal,
        None if config.systemd == Systemd::Always => SIGRTMIN_3,
        None if image.stop_signal.is_empty() => SIGTERM,
        None => signal::parse(&image.stop_signal)?,
    };
    config.network.expose.extend(image.exposed_ports.iter().flatten().map(|(port, _)| port.clone()));
    config.network.expose.dedup();
    image_volumes(&mut config, image)?;
    Ok(config)
}

fn command(config: &mut ContainerConfig, request: &mut CreateRequest, image: &Defaults) {
    let overridden = request.entrypoint.is_some();
    let mut entrypoint = request.entrypoint.take().or_else(|| image.entrypoint.clone()).unwrap_or_default();
    let mut command = std::mem::take(&mut request.command);
    if command.is_empty() && !overridden {
        command = image.cmd.clone().unwrap_or_default();
    }
    // `--entrypoint ""` is how an image's entrypoint is cleared.
    if entrypoint.len() == 1 && entrypoint[0].is_empty() && !command.is_empty() {
        entrypoint.clear();
    }
    let process = &mut config.process;
    process.args = entrypoint.iter().chain(&command).cloned().collect();
    process.entrypoint = entrypoint;
    process.command = command;
}

/// podman's rule for `--systemd=true`: what is run is named systemd, or is one of the paths of an init.
fn systemd(config: &mut ContainerConfig) {
    if config.systemd == Systemd::Auto {
        let program = config.process.args.first().map_or("", String::as_str);
        let name = program.rsplit('/').next().unwrap_or_default();
        let init = matches!(program, "/sbin/init" | "/usr/sbin/init" | "/usr/local/sbin/init") || name == "systemd";
        config.systemd = if init && !config.init { Systemd::Always } else { Systemd::Never };
    }
}

fn environment(
    config: &mut ContainerConfig,
    request: &EnvironmentRequest,
    image: &Defaults,
    host: &[(String, String)],
) -> Result<(), Error> {
    let mut environment = Environment::default();
    if !request.unset_all {
        environment.set("PATH", PATH);
        environment.set("container", "podman");
        if config.process.terminal {
            environment.set("TERM", "xterm");
        }
        environment.overlay(&Environment::from_entries(image.env.iter().flatten()));
    }
    for name in &request.unset {
        environment.unset(name);
    }
    if request.http_proxy {
        host.iter().filter(|(name, _)| PROXY.contains(&name.as_str())).for_each(|(name, value)| environment.set(name, value));
    }
    if request.host {
        host.iter().for_each(|(name, value)| environment.set(name, value));
    }
    for text in &request.merge {
        environment.merge(text)?;
    }
    environment.overlay(&request.set);
    if config.hostname_set && config.namespaces.uts != Namespace::Host {
        environment.set_default("HOSTNAME", &config.hostname);
    }
    config.process.env = environment.into_entries();
    Ok(())
}

/// The image's volumes, unless something else is mounted at their place.
fn image_volumes(config: &mut ContainerConfig, image: &Defaults) -> Result<(), Error> {
    for destination in image.volumes.iter().flatten().map(|(destination, _)| destination) {
        let destination = spec::path::container(destination)?;
        if config.mounts.iter().any(|mount| mount.destination == destination) {
            continue;
        }
        match config.image_volume.as_str() {
            "ignore" => {}
            "tmpfs" => config.mounts.push(Mount { kind: MountKind::Tmpfs, destination, options: vec!["rw".into()], ..Mount::default() }),
            _ => config.mounts.push(Mount { kind: MountKind::Volume, destination, anonymous: true, ..Mount::default() }),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Defaults {
        Defaults {
            user: "bin".into(),
            env: Some(vec!["PATH=/image".into(), "A=image".into()]),
            entrypoint: Some(vec!["/entry".into()]),
            cmd: Some(vec!["default".into()]),
            volumes: serde_json::from_str(r#"{"/data": {}, "/x": {}}"#).unwrap(),
            working_dir: "/w".into(),
            stop_signal: "SIGINT".into(),
            ..Defaults::default()
        }
    }

    fn merged(change: impl FnOnce(&mut CreateRequest)) -> ContainerConfig {
        let mut request = CreateRequest::default();
        change(&mut request);
        let host = [("http_proxy", "p"), ("HOME", "/home/u")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        merge(request, &image(), &host).unwrap()
    }

    #[test]
    fn flags_override_the_image() {
        let config = merged(|_| {});
        assert_eq!(config.process.args, ["/entry", "default"]);
        assert_eq!((config.process.user.as_str(), config.process.workdir.as_str(), config.stop_signal), ("bin", "/w", 2));
        let config = merged(|request| {
            request.entrypoint = Some(vec!["sh".into()]);
            request.user = Some("0".into());
            request.stop_signal = Some(9);
        });
        assert_eq!(config.process.args, ["sh"]);
        assert_eq!((config.process.user.as_str(), config.stop_signal), ("0", 9));
        let config = merged(|request| {
            request.entrypoint = Some(vec![String::new()]);
            request.command = vec!["ls".into()];
        });
        assert_eq!(config.process.args, ["ls"]);
    }

    #[test]
    fn the_environment_has_an_order_of_precedence() {
        let config = merged(|request| {
            request.environment.http_proxy = true;
            request.environment.merge = vec!["PATH=${PATH}:/x".into()];
            request.environment.set = Environment::from_entries(&["A=flag".to_owned()]);
        });
        assert_eq!(config.process.env, ["PATH=/image:/x", "container=podman", "A=flag", "http_proxy=p"]);
        let config = merged(|request| request.environment.unset_all = true);
        assert!(config.process.env.is_empty());
    }

    #[test]
    fn image_volumes_give_way_to_mounts() {
        let config = merged(|request| {
            request.config.mounts.push(Mount { kind: MountKind::Tmpfs, destination: "/x".into(), ..Mount::default() });
        });
        assert_eq!(config.mounts.len(), 2);
        assert!(config.mounts[1].anonymous && config.mounts[1].destination == "/data");
        assert_eq!(merged(|request| request.config.image_volume = "ignore".into()).mounts.len(), 0);
    }

    #[test]
    fn systemd_is_recognised_by_its_command() {
        let systemd = |program: &str| {
            merged(|request| {
                request.entrypoint = Some(vec![program.into()]);
                request.config.systemd = Systemd::Auto;
            })
        };
        assert_eq!(systemd("/sbin/init").systemd, Systemd::Always);
        assert_eq!(systemd("/usr/lib/systemd/systemd").systemd, Systemd::Always);
        assert_eq!(systemd("/bin/sh").systemd, Systemd::Never);
    }
}
