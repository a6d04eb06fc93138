/**
 * A certificate for localhost that nobody vouches for, with its key, good for a hundred years. Both
 * are public by standing here, and serve no other purpose than the tests of an etcd behind TLS.
 */

export const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBnDCCAUGgAwIBAgIUUKXPbjVhWTRJ+tkNgJtp8mRD7YwwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNDA0MjMwMVoYDzIxMjYxMDMx
MDQyMzAxWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARpS5ZHvTMkjjqAjqevg183IpXjssMx6G6DE/M0DAYKYliXumZC9In3
pjjQ5s76+rM590Q3TLRjMhVUKiilcYaHo28wbTAdBgNVHQ4EFgQUPT4xoVe5xlHE
EK7CpKNTvY0E1fIwHwYDVR0jBBgwFoAUPT4xoVe5xlHEEK7CpKNTvY0E1fIwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSQAwRgIhAOqvS+2v7MXxu79oaSZ/SBtdzT4zFXQGD8EzNz2bJd8tAiEA
htYYXAdxpPzFUrrVC8LPlqLVsg4d+xbWWY2dORYRMMA=
-----END CERTIFICATE-----
`;

export const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgVu8zvUlUK7NR/MtE
VaEuvePwNvl8S1qldiP6x7tomjShRANCAARpS5ZHvTMkjjqAjqevg183IpXjssMx
6G6DE/M0DAYKYliXumZC9In3pjjQ5s76+rM590Q3TLRjMhVUKiilcYaH
-----END PRIVATE KEY-----
`;
