from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from ssodash.api import api

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/", admin.site.urls),
    path("api/", api.urls),
    path("i18n/", include("django.conf.urls.i18n")),
]

handler500 = "ssodash.errors.server_error"
