//! The image of docker/Dockerfile, built from what that file copies and nothing else.

use crate::Failure;
use std::path::{Path, PathBuf};
use testcontainers::runners::AsyncBuilder;
use testcontainers::{GenericBuildableImage, GenericImage};

/// The root of the project.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Builds it; takes minutes, for it compiles a release. `PGSCOPE_IMAGE` (NAME:TAG) names one that is there already.
pub async fn pgscope() -> Result<GenericImage, Failure> {
    if let Ok(name) = std::env::var("PGSCOPE_IMAGE") {
        let (name, tag) = name
            .rsplit_once(':')
            .ok_or("PGSCOPE_IMAGE: write NAME:TAG")?;
        return Ok(GenericImage::new(name, tag));
    }
    let dockerfile = root().join("docker/Dockerfile");
    let mut image = GenericBuildableImage::new("pgscope", "test").with_dockerfile(&dockerfile);
    for file in context(&std::fs::read_to_string(&dockerfile)?)? {
        let name = file.to_string_lossy().into_owned();
        image = image.with_file(root().join(&file), name);
    }
    Ok(image.build_image().await?)
}

/// The files that a Dockerfile copies, from the root of the project.
pub fn context(dockerfile: &str) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for line in dockerfile.lines() {
        let Some(words) = line.strip_prefix("COPY ") else {
            continue;
        };
        let mut words: Vec<&str> = words.split_whitespace().collect();
        if words.iter().any(|word| word.starts_with("--from")) {
            continue;
        }
        words.pop();
        for source in words {
            collect(Path::new(source), &mut files)?;
        }
    }
    Ok(files)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let full = root().join(path);
    if !full.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(full)? {
        let name = entry?.file_name();
        // What other crates built may weigh gigabytes.
        if name != "target" {
            collect(&path.join(name), files)?;
        }
    }
    Ok(())
}
