//! The image without an engine: what its Dockerfile says is done by hand, in namespaces and a root of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::bridge::{PATIENCE, now, pause, root};
use crate::sequence::Device;

/// Makes the root of a container and becomes its first process. Arguments: where, the binary, its place, the image's RUN,
/// user, folder, then variables and command. It says its process id as the host sees it.
const ENTER: &str = r#"
set -eu
at=$1 binary=$2 place=$3 prepare=$4 user=$5 folder=$6
shift 6
mount -t tmpfs tmpfs "$at"
for name in bin sbin lib lib64; do
  if [ -L "/$name" ]; then cp -P "/$name" "$at/$name"
  elif [ -d "/$name" ]; then mkdir "$at/$name"; mount --bind "/$name" "$at/$name"; fi
done
mkdir "$at/usr" "$at/etc" "$at/proc" "$at/dev" "$at/tmp"
mount --bind /usr "$at/usr"
mount -o remount,bind,ro "$at/usr"
for name in passwd group shadow gshadow login.defs nsswitch.conf ld.so.cache; do
  if [ -e "/etc/$name" ]; then cp -a "/etc/$name" "$at/etc/"; fi
done
for name in null urandom; do touch "$at/dev/$name"; mount --bind "/dev/$name" "$at/dev/$name"; done
mount -t tmpfs tmpfs "$at${place%/*}"
touch "$at$place"
mount --bind "$binary" "$at$place"
# The image has no tzdata.
if [ -d "$at/usr/share/zoneinfo" ]; then mount -t tmpfs tmpfs "$at/usr/share/zoneinfo"; fi
chroot "$at" /bin/sh -euc "$prepare" >&2
owner=$(stat -c %u:%g "$at/data")
[ "$owner" = "$user" ] || { echo "/data belongs to $owner, and the bridge is $user" >&2; exit 1; }
mount -t tmpfs -o "uid=${user%:*},gid=${user#*:},mode=755" tmpfs "$at/data"
mount -t tmpfs tmpfs "$at/tmp"
# The procfs of the host still says who this is there.
echo "pid $(cut -d ' ' -f 4 /proc/self/stat)"
mount -t proc proc "$at/proc"
mount -o remount,ro "$at"
exec setpriv --no-new-privs chroot --userspec="$user" --groups= "$at" env -i --chdir="$folder" "$@"
"#;

/// What the last stage of the Dockerfile says.
struct Image {
    prepare: String,
    binary: String,
    user: String,
    folder: String,
    variables: Vec<String>,
    command: Vec<String>,
    health: Vec<String>,
}

impl Image {
    fn read() -> Self {
        let text = fs::read_to_string(root().join("Dockerfile")).unwrap().replace("\\\n", " ");
        let last = text.rsplit("\nFROM ").next().unwrap();
        let of = |name: &str| -> Vec<&str> {
            last.lines()
                .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
                .map(str::trim)
                .collect()
        };
        let one = |name: &str| -> &str {
            let [value] = of(name)[..] else { panic!("one {name}, not {:?}", of(name)) };
            value
        };
        let words = |json: &str| -> Vec<String> { serde_json::from_str(json).expect("the exec form") };
        let health = one("HEALTHCHECK");
        let mut command = words(one("ENTRYPOINT"));
        command.extend(words(one("CMD")));
        Self {
            prepare: one("RUN").to_owned(),
            binary: of("COPY").last().and_then(|copy| copy.split_whitespace().last()).unwrap().to_owned(),
            user: one("USER").to_owned(),
            folder: one("WORKDIR").to_owned(),
            variables: of("ENV").iter().map(|variable| (*variable).to_owned()).collect(),
            command,
            health: words(&health[health.find('[').expect("the exec form")..]),
        }
    }
}

/// A container that runs; gone with this value.
struct Container {
    unshare: Child,
    /// Of the first process, as the host sees it.
    pid: String,
    image: Image,
    variables: Vec<String>,
}

impl Container {
    fn start(at: &Path, variables: &[String]) -> Self {
        let image = Image::read();
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned();
        let variables: Vec<String> =
            std::iter::once(path).chain(image.variables.clone()).chain(variables.iter().cloned()).collect();
        let mut unshare = as_root("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "sh"])
            .arg(at)
            .arg(env!("CARGO_BIN_EXE_smiles"))
            .args([&image.binary, &image.prepare, &image.user, &image.folder])
            .args(&variables)
            .args(&image.command)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare (util-linux) starts");
        let mut line = String::new();
        BufReader::new(unshare.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let pid =
            line.trim().strip_prefix("pid ").unwrap_or_else(|| panic!("the container did not start: {line}"));
        Self { pid: pid.to_owned(), unshare, image, variables }
    }

    /// A command inside, as an engine's `exec` runs it.
    fn exec(&self, command: &[String]) -> std::process::Output {
        let (user, group) = self.image.user.split_once(':').expect("USER has a group");
        as_root("nsenter")
            .args(["--target", &self.pid, "--mount", "--pid", "--root"])
            .args(["--setuid", user, "--setgid", group, "env", "-i"])
            .args(&self.variables)
            .args(command)
            .output()
            .expect("nsenter (util-linux) starts")
    }

    fn signal(&self, name: &str) {
        assert!(as_root("kill").args([name, &self.pid]).status().unwrap().success());
    }

    /// Processes that ended and that nobody collected.
    fn zombies(&self) -> usize {
        let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let stats = processes.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
        let of_ours = |stat: &String| {
            let words: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
            words.first() == Some(&"Z") && words.get(1) == Some(&self.pid.as_str())
        };
        stats.filter(of_ours).count()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // Dies with its first process; both may be gone.
        _ = as_root("kill").args(["-KILL", &self.pid]).stderr(Stdio::null()).status();
        _ = self.unshare.wait();
    }
}

/// Namespaces and mounts are root's; another user needs sudo without a password, as CI machines have it.
pub(crate) fn as_root(program: &str) -> Command {
    let ours = std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self").unwrap());
    if ours == 0 {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["--non-interactive", program]);
    command
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn the_image_runs_as_process_1_without_rights_on_a_root_that_cannot_be_written() {
    let (device, folder) = (Device::start(), tempfile::tempdir().unwrap());
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let container = Container::start(
        folder.path(),
        &[
            "DTU_HOST=127.0.0.1".to_owned(),
            "TIMEZONE=Europe/Berlin".to_owned(),
            format!("DTU_PORT={}", device.port),
            "HEALTH_HOST=127.0.0.1".to_owned(),
            format!("HEALTH_PORT={port}"),
        ],
    );
    let health = container.image.health.clone();
    let deadline = now() + PATIENCE;
    loop {
        let output = container.exec(&health);
        if output.status.success() {
            break;
        }
        assert!(now() < deadline, "{}", String::from_utf8_lossy(&output.stderr));
        pause();
    }

    let status = fs::read_to_string(format!("/proc/{}/status", container.pid)).unwrap();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
    assert_eq!(field("Uid:").split_whitespace().next(), Some("10001"), "not root");
    assert_eq!(field("CapEff:"), "0000000000000000");
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("NSpid:").split_whitespace().last(), Some("1"), "the first process");

    // What it needs to write lies in the volume, and nothing else can be written.
    let stored = container.exec(&words(&["sh", "-c", "ls /data; ! touch /config/x /usr/x /x 2>/dev/null"]));
    let files = String::from_utf8_lossy(&stored.stdout);
    assert!(stored.status.success(), "the root can be written");
    assert!(files.contains("hoymiles.db") && files.contains("journal"), "{files}");

    // An orphan comes to the first process, which collects it.
    let orphan = container.exec(&words(&["sh", "-c", "(sleep 0.05; : >/data/orphan) & exit 0"]));
    assert!(orphan.status.success());
    let looked_for = words(&["test", "-e", "/data/orphan"]);
    while !container.exec(&looked_for).status.success() || container.zombies() > 0 {
        assert!(now() < deadline, "{} zombies", container.zombies());
        pause();
    }

    let mut container = container;
    container.signal("-TERM");
    let status = container.unshare.wait().unwrap();
    assert!(status.success(), "a stop is no failure: {status}");
}

/// The stages that build, up to the compiler: the empty crate roots are a workspace, and real files replace them.
#[test]
fn the_build_stages_find_what_they_need() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(root().join("Dockerfile")).unwrap().replace("\\\n", " ");
    let stages: Vec<&str> = text.split("\nFROM ").skip(1).collect();
    let [_, manifests, build, _] = stages[..] else { panic!("four stages: {}", stages.len()) };
    let at = folder.path();

    perform(manifests, at);
    let main = fs::read_to_string(at.join("cli/src/main.rs")).unwrap();
    assert_eq!(main, "fn main() { }\n", "an empty root");
    assert!(!at.join("cli/src/command").exists());
    cargo(at, &["metadata", "--locked", "--offline", "--no-deps"]);
    perform(build, at);
    let main = fs::read_to_string(at.join("cli/src/main.rs")).unwrap();
    assert!(main.contains("args::run"), "the real root");
    cargo(at, &["metadata", "--locked", "--offline", "--no-deps"]);
}

/// COPY of the tree and RUN of everything but the compiler.
fn perform(stage: &str, at: &Path) {
    for line in stage.lines() {
        if let Some(copy) = line.strip_prefix("COPY ").filter(|copy| !copy.contains("--from=")) {
            let paths: Vec<&str> = copy.split_whitespace().collect();
            let (to, from) = paths.split_last().unwrap();
            for path in from {
                let to = if *to == "./" { at.join(path) } else { at.join(to) };
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                // A folder's content goes over what is there.
                let source = root().join(path);
                let source = if source.is_dir() { source.join(".") } else { source };
                let copied = Command::new("cp").arg("-R").arg(source).arg(to).status().unwrap();
                assert!(copied.success(), "{line}");
            }
        } else if let Some(run) = line.strip_prefix("RUN ") {
            let steps = run.split("&&").filter(|step| !step.contains("cargo "));
            let script = steps.collect::<Vec<_>>().join("&&");
            if !script.trim().is_empty() {
                let done = Command::new("sh").args(["-euc", &script]).current_dir(at).status().unwrap();
                assert!(done.success(), "{script}");
            }
        }
    }
}

fn cargo(at: &Path, arguments: &[&str]) {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(at).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
