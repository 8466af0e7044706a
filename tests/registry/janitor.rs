//! What the janitor takes away, and what it must not.

use std::path::Path;

use crate::support::{House, bytes};

fn blobs(folder: &Path) -> usize {
    let fan_out = std::fs::read_dir(folder.join("blobs")).unwrap();
    fan_out
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .flat_map(|path| std::fs::read_dir(path).unwrap())
        .filter(|entry| entry.as_ref().unwrap().file_name().len() == 64)
        .count()
}

#[tokio::test]
async fn only_bytes_that_nothing_refers_to_are_reclaimed() {
    let house = House::open_with(|settings| settings.janitor.grace_seconds = 0).await;
    let package = house.create("pkg").await;
    let (small, large) = (bytes(1, 100), bytes(2, 1 << 20));
    for key in ["a", "b"] {
        house
            .put(package, &format!("small {key}"), &small)
            .await
            .unwrap();
        house
            .put(package, &format!("large {key}"), &large)
            .await
            .unwrap();
    }
    assert_eq!(
        blobs(house.folder.path()),
        1,
        "equal content is stored once"
    );
    for key in ["small a", "large a"] {
        house.remove(package, key).await.unwrap();
    }
    assert_eq!(house.registry.run_janitor().await.unwrap().blobs, 0);
    assert_eq!(
        house.read(package, "small b").await.unwrap(),
        Some(small.clone())
    );
    assert_eq!(
        house.read(package, "large b").await.unwrap(),
        Some(large.clone())
    );
    for key in ["small b", "large b"] {
        house.remove(package, key).await.unwrap();
    }
    assert_eq!(house.registry.run_janitor().await.unwrap().blobs, 2);
    assert_eq!(blobs(house.folder.path()), 0);
    house.put(package, "large again", &large).await.unwrap();
    house.put(package, "small again", &small).await.unwrap();
    assert_eq!(
        house.read(package, "large again").await.unwrap(),
        Some(large)
    );
    assert_eq!(
        house.read(package, "small again").await.unwrap(),
        Some(small)
    );
}

#[tokio::test]
async fn bytes_wait_for_their_grace_time() {
    let house = House::open().await;
    let package = house.create("pkg").await;
    house.put(package, "key", &bytes(1, 1 << 20)).await.unwrap();
    house.remove(package, "key").await.unwrap();
    for _ in 0..2 {
        assert_eq!(house.registry.run_janitor().await.unwrap().blobs, 0);
    }
    assert_eq!(blobs(house.folder.path()), 1);
}
