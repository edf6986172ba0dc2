//! The image of docker/Dockerfile before each major version of PostgreSQL, in containers: the same answers with and
//! without it, each query counted, an N+1 found, healthy by its own HEALTHCHECK, and an orderly end.
//!
//! cargo test --manifest-path tests/containers/Cargo.toml [-- --majors 12,18]
//!
//! Without a container engine it says so and is no failure.

#![forbid(unsafe_code)]

use pgscope_containers::{Failure, conversation, image, same};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use testcontainers::core::{IntoContainerPort, WaitFor, client::docker_client_instance};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};

const MAJORS: &str = "12,13,14,15,16,17,18";

/// Also for the first pull of an image.
const STARTUP: Duration = Duration::from_secs(300);

const POSTGRES: u16 = 5432;
const PROXY: u16 = 6432;
const ADMIN: u16 = 9187;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    if let Some(reason) = no_engine().await {
        println!(
            "skipped: the image before PostgreSQL {MAJORS}, for want of a container engine: {reason}"
        );
        return ExitCode::SUCCESS;
    }
    let start = Instant::now();
    let say = |text: &str| println!("[{:6.1}s] {text}", start.elapsed().as_secs_f64());
    say("building the image: this compiles a release");
    let pgscope = match image::pgscope().await {
        Ok(image) => image,
        Err(failure) => {
            println!("FAILED: the image cannot be built: {failure}");
            return ExitCode::FAILURE;
        }
    };
    let (mut passed, mut failed) = (0, 0);
    for major in majors().split(',') {
        say(&format!("PostgreSQL {major}"));
        match before(&pgscope, major).await {
            Ok(()) => passed += 1,
            Err(failure) => {
                println!("FAILED: PostgreSQL {major}: {failure}");
                failed += 1;
            }
        }
    }
    println!("containers: {passed} passed, {failed} failed");
    summary(passed, failed);
    if failed > 0 || passed == 0 {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn majors() -> String {
    let mut words = std::env::args().skip_while(|word| word != "--majors");
    words.nth(1).unwrap_or_else(|| MAJORS.to_owned())
}

/// For tests/e2e/suite.py, which adds up.
fn summary(passed: u32, failed: u32) {
    if let Some(folder) = std::env::var_os("SUITE_RESULTS") {
        let text = format!("{{\"passed\": {passed}, \"failed\": {failed}}}");
        let path = std::path::Path::new(&folder).join("containers-image.json");
        if let Err(error) = std::fs::write(path, text) {
            println!("the summary cannot be written: {error}");
        }
    }
}

/// Why no container can be started here.
async fn no_engine() -> Option<String> {
    match docker_client_instance().await {
        Ok(docker) => docker.ping().await.err().map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

/// One server, one pgscope, one conversation.
async fn before(pgscope: &GenericImage, major: &str) -> Result<(), Failure> {
    // Containers of one network know each other by name. Both go away with their handles.
    let id = std::process::id();
    let (network, name) = (
        format!("pgscope-{id}-{major}"),
        format!("postgres-{id}-{major}"),
    );
    // The entry point starts a server for its own use first, whose log goes to standard output.
    let ready = "database system is ready to accept connections";
    let server = GenericImage::new("postgres", major)
        .with_exposed_port(POSTGRES.tcp())
        .with_wait_for(WaitFor::message_on_stdout(ready))
        .with_wait_for(WaitFor::message_on_stderr(ready))
        .with_network(&network)
        .with_container_name(&name)
        .with_startup_timeout(STARTUP)
        .with_env_var("POSTGRES_USER", conversation::ROLE)
        .with_env_var("POSTGRES_PASSWORD", conversation::PASSWORD)
        .with_env_var("POSTGRES_HOST_AUTH_METHOD", "scram-sha-256")
        .with_env_var("POSTGRES_INITDB_ARGS", "--auth-host=scram-sha-256")
        .with_cmd([
            "postgres",
            "-c",
            "fsync=off",
            "-c",
            "password_encryption=scram-sha-256",
        ])
        .start()
        .await?;
    let direct = published(&server, POSTGRES).await?;
    conversation::prepare(&direct).await?;
    let proxy = pgscope
        .clone()
        .with_exposed_port(PROXY.tcp())
        .with_exposed_port(ADMIN.tcp())
        .with_wait_for(WaitFor::healthcheck())
        .with_network(&network)
        .with_startup_timeout(STARTUP)
        .with_readonly_rootfs(true)
        .with_cap_drop("ALL")
        .with_security_opt("no-new-privileges:true")
        .with_env_var("PGSCOPE_UPSTREAM", format!("{name}:{POSTGRES}"))
        .start()
        .await?;
    let through = published(&proxy, PROXY).await?;
    let admin = published(&proxy, ADMIN).await?;
    if let Err(failure) = conversation::check(&direct, &through, &admin).await {
        let said = proxy.stderr_to_vec().await?;
        return Err(format!("{failure}\nlog: {}", String::from_utf8_lossy(&said)).into());
    }
    // `docker stop` sends SIGTERM, and SIGKILL (137) to what does not heed it.
    proxy.stop().await?;
    same(
        &proxy.exit_code().await?,
        &Some(0),
        "exit code after SIGTERM",
    )
}

/// Where a port of a container is published on this side.
async fn published(container: &ContainerAsync<GenericImage>, port: u16) -> Result<String, Failure> {
    let host = match container.get_host().await?.to_string() {
        // The port is published for IPv4, and pgscope takes no name that it was not told.
        host if host == "localhost" => "127.0.0.1".to_owned(),
        host => host,
    };
    Ok(format!(
        "{host}:{}",
        container.get_host_port_ipv4(port).await?
    ))
}
