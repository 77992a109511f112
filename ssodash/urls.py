from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from ssodash.api import api

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/", admin.site.urls),
    path("api/", api.urls),
]

handler500 = "ssodash.errors.server_error"
