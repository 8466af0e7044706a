//! The real binary, with a data directory of its own, on a free port.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::call::Call;
use crate::support::connection::Connection;

/// The root key that every server of the tests is started with.
pub const ACCESS_KEY: &str = "HFTESTROOTKEY0000001";
/// Its secret.
pub const SECRET_KEY: &str = "test-secret-0123456789abcdefghijklmnopqr";

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a server is started.
#[derive(Debug, Clone, Default)]
struct Launch {
    /// The settings, as TOML.
    config: String,
    /// Flags besides those that every server of the tests gets.
    arguments: Vec<String>,
    /// The program that runs the server, and its arguments; empty: nothing between.
    wrapper: Vec<String>,
    /// Where it ends by itself; empty: nowhere.
    crash_point: String,
}

/// A running server. Killed when dropped.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    how: Launch,
    data: Arc<TempDir>,
    /// The lines of its standard error.
    log: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// A server with the default settings.
    pub fn start() -> Self {
        Self::start_with("", &[])
    }

    /// A server with these settings (TOML) and flags.
    pub fn start_with(config: &str, arguments: &[&str]) -> Self {
        Self::launch_anew(&Launch {
            config: config.to_owned(),
            arguments: owned(arguments),
            ..Launch::default()
        })
    }

    /// A server with the default settings that another program runs, such as a tracer.
    pub fn start_under(wrapper: &[&str]) -> Self {
        Self::launch_anew(&Launch {
            wrapper: owned(wrapper),
            ..Launch::default()
        })
    }

    /// A server over the data directory of one that has ended.
    pub fn restart(mut self) -> Self {
        self.kill();
        Self::launch(&self.data, &self.how)
    }

    /// A server over the data directory and on the address of one that has ended, as a client that
    /// waits for it sees it.
    pub fn restart_in_place(mut self) -> Self {
        self.kill();
        let mut server = Self::spawn(&self.data, &self.how, self.address);
        assert!(server.is_up(), "the server does not start");
        server
    }

    /// As [`Self::restart`], with other settings (TOML).
    pub fn restart_with(mut self, config: &str) -> Self {
        config.clone_into(&mut self.how.config);
        self.restart()
    }

    /// As [`Self::restart_with`], and it ends by itself at this point of its work; empty: nowhere.
    pub fn restart_to_crash(mut self, config: &str, point: &str) -> Self {
        config.clone_into(&mut self.how.config);
        point.clone_into(&mut self.how.crash_point);
        self.restart()
    }

    /// Waits until it has ended by itself, as abruptly as a crash; false if it still runs.
    pub fn has_crashed(&mut self, patience: Duration) -> bool {
        use std::os::unix::process::ExitStatusExt as _;
        let since = Instant::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                assert_eq!(
                    status.signal(),
                    Some(6),
                    "{status}\n{}",
                    self.log().join("\n")
                );
                return true;
            }
            if since.elapsed() > patience {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn launch_anew(how: &Launch) -> Self {
        let data = tempfile::tempdir().expect("a temporary directory");
        Self::launch(&Arc::new(data), how)
    }

    fn launch(data: &Arc<TempDir>, how: &Launch) -> Self {
        for _ in 0..5 {
            let address = free_address();
            let mut server = Self::spawn(data, how, address);
            if server.is_up() {
                return server;
            }
        }
        panic!("the server does not start");
    }

    fn spawn(data: &Arc<TempDir>, how: &Launch, address: SocketAddr) -> Self {
        let file = data.path().join("settings.toml");
        std::fs::write(&file, &how.config).expect("the settings are written");
        let mut words = how.wrapper.clone();
        words.push(env!("CARGO_BIN_EXE_holdfast").to_owned());
        let mut command = Command::new(&words[0]);
        command.env_clear().env("HOLDFAST_OPERATOR_LISTEN", "off");
        if !how.crash_point.is_empty() {
            command.env("HOLDFAST_CRASH_POINT", &how.crash_point);
        }
        let mut child = command
            .args(&words[1..])
            .arg("serve")
            .arg("--config")
            .arg(&file)
            .arg("--data")
            .arg(data.path().join("data"))
            .arg("--listen")
            .arg(address.to_string())
            .args(&how.arguments)
            .env("HOLDFAST_ROOT_ACCESS_KEY", ACCESS_KEY)
            .env("HOLDFAST_ROOT_SECRET_KEY", SECRET_KEY)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stderr.take().expect("standard error is piped")).lines();
        let sink = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                sink.lock().expect("no line panics").push(line);
            }
        });
        Self {
            child,
            address,
            how: how.clone(),
            data: Arc::clone(data),
            log,
        }
    }

    /// Waits until it says that it is ready; false when it has ended instead. That somebody accepts
    /// connections is not enough: it may be the server of another test that took the port first.
    fn is_up(&mut self) -> bool {
        let is_silent = self.how.config.contains("level = ");
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if let Ok(Some(status)) = self.child.try_wait() {
                eprintln!("ended at once: {status}\n{}", self.log().join("\n"));
                return false;
            }
            let is_ready = is_silent || self.log().iter().any(|line| line.contains("ready"));
            if is_ready && std::net::TcpStream::connect(self.address).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory it ever had, in MiB.
    pub fn peak_mib(&self) -> usize {
        let file = format!("/proc/{}/status", self.pid());
        let status = std::fs::read_to_string(file).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let value = line.and_then(|line| line.split_whitespace().nth(1));
        let kib: usize = value
            .and_then(|value| value.parse().ok())
            .expect("a number");
        kib / 1024
    }

    /// Takes the memory it has now, which this answers, for the most it ever had.
    pub fn reset_peak_mib(&self) -> usize {
        let file = format!("/proc/{}/clear_refs", self.pid());
        std::fs::write(file, "5").expect("it runs");
        self.peak_mib()
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.directory().join("data")
    }

    /// A directory for files of the test, beside the data.
    pub fn directory(&self) -> &Path {
        self.data.path()
    }

    /// The lines of its log so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().expect("no line panics").clone()
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to stop and waits until it has; answers how long that took.
    pub fn stop(&mut self) -> Duration {
        let since = Instant::now();
        let asked = Command::new("kill")
            .arg(self.pid().to_string())
            .status()
            .expect("kill runs");
        assert!(asked.success());
        while since.elapsed() < PATIENCE {
            if let Ok(Some(status)) = self.child.try_wait() {
                assert!(status.success(), "{status}\n{}", self.log().join("\n"));
                return since.elapsed();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the server does not stop");
    }

    /// A signed call of the root user.
    pub fn call(&self, method: &str, target: &str) -> Call<'_> {
        Call::new(self, method, target)
    }

    /// A connection of its own.
    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// Makes a bucket.
    pub fn make_bucket(&self, name: &str) {
        self.call("PUT", &format!("/{name}")).send().expect(200);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- log of the server\n{}", self.log().join("\n"));
        }
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address")
}
