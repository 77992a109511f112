"""What every endpoint of the JSON API shares. Knows no app; `ssodash.api` puts the apps' routers together."""
