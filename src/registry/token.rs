//! Tokens: the distribution project's "Token Authentication" and "OAuth2 Token Authentication".

use serde::Deserialize;

use super::client::is_loopback;
use crate::config::Credentials;

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
}

/// Bytes of an answer at most.
const LIMIT: usize = 1 << 20;

/// Asks the token server at `realm`. A refresh token goes by POST, a password by GET and Basic, nobody by GET alone.
pub async fn fetch(
    http: &reqwest::Client,
    realm: &str,
    service: Option<&str>,
    scope: &str,
    credentials: Option<&Credentials>,
    insecure: bool,
) -> Result<String, String> {
    let plain = |error: reqwest::Error| error.without_url().to_string();
    let mut url = reqwest::Url::parse(realm).map_err(|error| format!("token server {realm}: {error}"))?;
    let private = url.scheme() == "https" || insecure || is_loopback(url.host_str().unwrap_or_default());
    if credentials.is_some() && !private {
        return Err(format!("token server {realm}: credentials are not sent over an unencrypted connection"));
    }
    let request = match credentials {
        Some(Credentials::IdentityToken(token)) => {
            let fields = [
                ("grant_type", "refresh_token"),
                ("refresh_token", token),
                ("service", service.unwrap_or_default()),
                ("scope", scope),
                ("client_id", "dulse"),
            ];
            // Encoded by the URL's own rules, which are those of forms.
            let mut form = url.clone();
            form.query_pairs_mut().clear().extend_pairs(fields);
            let body = form.query().unwrap_or_default().to_owned();
            http.post(url).header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)
        }
        _ => {
            {
                let mut query = url.query_pairs_mut();
                query.extend_pairs(service.map(|service| ("service", service)));
                query.append_pair("scope", scope);
            }
            match credentials {
                Some(Credentials::Password { username, password }) => http.get(url).basic_auth(username, Some(password)),
                _ => http.get(url),
            }
        }
    };
    let mut response = request.send().await.map_err(plain)?;
    let status = response.status();
    if status.as_u16() == 401 || status.as_u16() == 403 {
        return Err("invalid username/password: unauthorized: authentication required".into());
    }
    if !status.is_success() {
        return Err(format!("token server {realm} answers {status}"));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(plain)? {
        if bytes.len() + chunk.len() > LIMIT {
            return Err(format!("token server {realm} sends more than a token"));
        }
        bytes.extend_from_slice(&chunk);
    }
    let answer: Answer = serde_json::from_slice(&bytes).map_err(|error| format!("token server {realm}: {error}"))?;
    answer.token.or(answer.access_token).ok_or_else(|| format!("token server {realm} sent no token"))
}
