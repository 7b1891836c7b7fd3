//! Redirect targets and their origins.

use scripting_system::source::redirect_target;
use url::Url;

#[test]
fn a_location_is_resolved_and_its_origin_compared_as_browsers_do() {
    let current = Url::parse("https://www.example.com/a/dump.zip?token=1").unwrap();
    for (location, expected, same_origin) in [
        ("b.zip?x=1#part", "https://www.example.com/a/b.zip?x=1", true),
        ("HTTPS://WWW.Example.com:443/b.zip", "https://www.example.com/b.zip", true),
        ("//user:secret@www.example.com/b.zip", "https://www.example.com/b.zip", true),
        ("//cdn.example.com/b.zip", "https://cdn.example.com/b.zip", false),
        ("https://www.example.com:8443/b.zip", "https://www.example.com:8443/b.zip", false),
        ("https://www.example.com@evil.example/", "https://evil.example/", false),
    ] {
        let url = redirect_target(&current, location.as_bytes()).unwrap();
        assert_eq!((url.as_str(), url.origin() == current.origin()), (expected, same_origin), "{location}");
    }
}
